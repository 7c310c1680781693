from __future__ import annotations

from datetime import timedelta

import pytest

from api.sessions import LASTS, Sessions
from core.errors import Unauthorized
from core.vault import Vault
from tests.conftest import START


def test_a_session_names_its_token_until_it_is_over(vault: Vault) -> None:
    sessions = Sessions(vault)
    cookie = sessions.start(7, START)
    assert sessions.read(cookie, START + LASTS - timedelta(seconds=1)).token == 7
    with pytest.raises(Unauthorized, match="is over"):
        sessions.read(cookie, START + LASTS)


def test_a_cookie_that_was_touched_is_refused(vault: Vault) -> None:
    cookie = Sessions(vault).start(7, START)
    forged = Sessions(Vault("another-" + "x7Kq2LmP9" * 5)).start(1, START)
    for wrong in (cookie[:-2], "A" + cookie, forged, "", "a.b", cookie.split(".")[0]):
        with pytest.raises(Unauthorized, match="not valid"):
            Sessions(vault).read(wrong, START)


def test_the_proof_of_one_session_is_worth_nothing_in_another(vault: Vault) -> None:
    sessions = Sessions(vault)
    mine, other = (sessions.read(sessions.start(7, START), START) for _ in range(2))
    assert sessions.is_ours(mine, sessions.csrf(mine))
    assert not sessions.is_ours(other, sessions.csrf(mine))
    assert not sessions.is_ours(mine, "")
    assert not sessions.is_ours(mine, "\N{SNOWMAN}")
