"""What is sealed can be opened with the same secret, and with no other."""

from __future__ import annotations

import pytest

from core.errors import BadInput
from core.vault import Vault

URL = "ntfys://user:pass@ntfy.example.org/topic"


def test_what_was_sealed_opens_again_and_does_not_show(vault: Vault) -> None:
    sealed = vault.seal(URL)
    assert URL not in sealed
    assert "pass" not in sealed
    assert vault.open(sealed) == URL


def test_the_same_text_never_looks_the_same_twice(vault: Vault) -> None:
    assert vault.seal(URL) != vault.seal(URL)


def test_text_that_never_was_sealed_comes_back_as_it_is(vault: Vault) -> None:
    assert vault.open(URL) == URL


@pytest.mark.parametrize("text", ["", "Ünïcode ✓", "x" * 10_000])
def test_any_text_may_be_sealed(vault: Vault, text: str) -> None:
    assert vault.open(vault.seal(text)) == text


@pytest.mark.parametrize("text", ["sealed:", "sealed:the court order of May"])
def test_even_text_that_looks_sealed_may_be_sealed(vault: Vault, text: str) -> None:
    assert vault.open(vault.seal(text)) == text


def test_another_secret_does_not_open_it_and_the_error_says_which_setting(vault: Vault) -> None:
    with pytest.raises(BadInput, match="HALLWATCH_SECRET_KEY") as error:
        Vault("another-secret-another-secret-another").open(vault.seal(URL))
    assert URL not in str(error.value)


def test_a_sealed_text_that_was_touched_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(URL)
    touched = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]
    with pytest.raises(BadInput):
        vault.open(touched)


def test_every_purpose_has_a_key_of_its_own_and_every_secret_other_keys(vault: Vault) -> None:
    keys = {vault.key("seal"), vault.key("session"), vault.key("link"), Vault("x" * 40).key("seal")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert vault.key("seal") == vault.key("seal")


def test_a_signature_is_good_for_its_purpose_and_text_only(vault: Vault) -> None:
    signature = vault.sign("link", "alert 7")
    assert signature == vault.sign("link", "alert 7")
    assert signature not in {vault.sign("link", "alert 8"), vault.sign("session", "alert 7")}
