from __future__ import annotations

from api.access import MAY, ROLES, Caller, roles_for


def test_the_ladder_only_ever_adds() -> None:
    assert MAY["viewer"] < MAY["sro"] < MAY["admin"]


def test_a_device_may_only_send() -> None:
    assert MAY["device"] == {"send"}


def test_a_tester_never_answers_nor_administers() -> None:
    assert not MAY["tester"] & {"answer", "administer"}
    assert Caller("token", 1, "t", "tester").trial_only
    assert not any(Caller("token", 1, "t", role).trial_only for role in ROLES if role != "tester")


def test_a_refusal_can_name_who_may() -> None:
    assert roles_for("answer") == "sro or admin"
    assert roles_for("administer") == "admin"
