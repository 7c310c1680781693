"""Which addresses are of the public Internet."""

from __future__ import annotations

import pytest

from alerts.guard import is_private, leads_inside

PRIVATE = (
    "127.0.0.1 10.1.2.3 192.168.0.9 172.16.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 "
    "::1 fe80::1%eth0 fd00::1 ::ffff:10.0.0.1 2002:7f00:1::"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_are_known_for_what_they_are(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert not is_private(address)


def test_names_are_looked_up_and_one_that_is_nowhere_leads_nowhere() -> None:
    assert leads_inside("localhost")
    assert leads_inside("[::1]")
    assert not leads_inside("no-such-host.invalid")
