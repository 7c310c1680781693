"""Webhooks: who is let in. Signatures are made here by hand, as their makers' pages describe them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.wire import Refused
from ingest.mapping import filters, shipped
from ingest.mapping.document import Auth, Hmac, Token
from ingest.webhooks import Hook, hooks, sign, verify
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, hear, mappings, refusal, sourced, told

HOOKS = hooks(shipped())
SECRET = "a secret of at least some length"
BODY = b'{"meta": {"event": "entry_sign_in", "location": {"id": "1"}}, "payload": {"id": "7"}}'
NOW = str(int(START.timestamp()))


def why(hook: Hook | None, headers: dict[str, str], body: bytes = BODY, secret: str | None = SECRET) -> str:
    with pytest.raises(Refused) as refused:
        verify(hook, headers, body, secret, START)
    return refused.value.reason


def digest(message: bytes) -> bytes:
    return hmac.new(SECRET.encode(), message, hashlib.sha256).digest()


def verkada(body: bytes = BODY, at: str = NOW) -> dict[str, str]:
    return {"Verkada-Signature": f"{at}|{digest(body + b'|' + at.encode()).hex()}"}


def test_the_shipped_webhooks_are_known_by_name() -> None:
    assert set(HOOKS) == {"envoy", "pretix", "verkada"}
    assert HOOKS["envoy"].topic == "hooks/envoy"


class TestEnvoy:
    def test_the_body_is_signed_in_base64(self) -> None:
        signature = base64.b64encode(digest(BODY)).decode()
        verify(HOOKS["envoy"], {"x-envoy-signature": signature}, BODY, SECRET, START)

    def test_any_other_body_secret_or_signature_is_refused(self) -> None:
        good = {"X-Envoy-Signature": base64.b64encode(digest(BODY)).decode()}
        assert why(HOOKS["envoy"], good, BODY + b" ") == "unauthorized: the signature is wrong"
        assert why(HOOKS["envoy"], good, secret="another") == "unauthorized: the signature is wrong"
        assert why(HOOKS["envoy"], {"X-Envoy-Signature": digest(BODY).hex() + "!"}) == (
            "unauthorized: the signature is not base64"
        )
        assert why(HOOKS["envoy"], {}) == "unauthorized: the header X-Envoy-Signature is missing"


class TestVerkada:
    def test_time_and_body_are_signed_together(self) -> None:
        verify(HOOKS["verkada"], verkada(), BODY, SECRET, START)

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_a_recording_is_refused_although_its_signature_is_right(self, minutes: int) -> None:
        at = str(int((START + timedelta(minutes=minutes)).timestamp()))
        assert "too far from now" in why(HOOKS["verkada"], verkada(at=at))

    def test_a_recording_with_a_new_time_is_refused(self) -> None:
        old = str(int(START.timestamp()) - 3600)
        signature = verkada(at=old)["Verkada-Signature"].partition("|")[2]
        assert why(HOOKS["verkada"], {"Verkada-Signature": f"{NOW}|{signature}"}).endswith("the signature is wrong")

    @pytest.mark.parametrize("at", ["", "soon", "9" * 40, "\uff11", "1e9"])
    def test_a_time_that_is_none_is_refused_even_if_it_is_signed(self, at: str) -> None:
        assert "the time of sending is missing" in why(HOOKS["verkada"], verkada(at=at))

    def test_an_event_that_comes_twice_is_known_by_its_id(self) -> None:
        reader = decoder([sourced("verkada/d-1")])
        said = (
            '{"webhook_type": "notification", "data": {"event_id": "e-9", "door_id": "d-1", '
            '"notification_type": "door_forced_open"}}'
        )
        first, second = (hear(reader, "hooks/verkada", said + " " * n) for n in range(2))
        assert [each.message_id for each in first] == [each.message_id for each in second] == ["e-9", "e-9"]
        assert told(first) == [("door.closed", "door-0"), ("door.opened", "door-0")]


class TestPretix:
    def test_a_name_and_a_password_are_asked_for(self) -> None:
        secret = "pretix:open sesame"
        good = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
        verify(HOOKS["pretix"], good, BODY, secret, START)
        assert why(HOOKS["pretix"], good) == "unauthorized: the secret is wrong"
        assert why(HOOKS["pretix"], {"Authorization": f"Bearer {secret}"}) == (
            "unauthorized: the header Authorization does not say basic"
        )
        assert why(HOOKS["pretix"], {}) == "unauthorized: the header Authorization does not say basic"


def test_whom_nobody_knows_is_refused() -> None:
    assert why(None, verkada()) == "unauthorized: there is no such webhook"
    for secret in (None, ""):
        assert why(HOOKS["verkada"], verkada(), secret=secret) == "unauthorized: no secret is set for this webhook"


def test_a_body_that_no_message_could_be_is_refused_unread() -> None:
    assert why(HOOKS["envoy"], {}, b"x" * 70_000) == "too_large"


@pytest.mark.parametrize(
    "how",
    [
        Hmac(header="X-Signature", prefix="sha256="),
        Hmac(header="X-Signature", encoding="base64", timestamp_header="X-Time", signed="{timestamp}.{body}"),
        Hmac(header="X-Signature", separator=",", signed="v1:{timestamp}:{body}"),
    ],
    ids=["prefix", "header of its own", "before the signature"],
)
def test_what_is_signed_as_a_mapping_says_is_let_in_and_nothing_else(how: Hmac) -> None:
    hook, headers = Hook("x", Auth(hmac=how)), sign(how, BODY, SECRET, START)
    verify(hook, headers, BODY, SECRET, START + timedelta(minutes=4))
    assert why(hook, headers, BODY + b"!") == "unauthorized: the signature is wrong"
    if how.timestamp_header or how.separator:
        with pytest.raises(Refused, match="too far from now"):
            verify(hook, headers, BODY, SECRET, START + timedelta(minutes=6))


def test_a_prefix_that_is_missing_is_said() -> None:
    how = Hmac(header="X-Signature", prefix="sha256=")
    assert "does not begin with sha256=" in why(Hook("x", Auth(hmac=how)), {"X-Signature": digest(BODY).hex()})


@given(st.text(max_size=80), st.binary(max_size=40), st.sampled_from(["hmac", "stamped", "token", "plain"]))
def test_nothing_made_up_is_ever_let_in(header: str, body: bytes, way: str) -> None:
    auth = {
        "hmac": Auth(hmac=Hmac(header="X")),
        "stamped": Auth(hmac=Hmac(header="X", encoding="base64", separator="|", signed="{body}{timestamp}")),
        "token": Auth(token=Token(header="X")),
        "plain": Auth(token=Token(header="X", scheme="plain")),
    }[way]
    assert why(Hook("x", auth), {"X": header}, body).startswith("unauthorized: ")


def test_two_mappings_of_one_hook_trust_the_same_sender() -> None:
    text = "{{id: {}, match: {{topic: hooks/x, require: [{}]}}, emit: nothing, auth: {{token: {{header: {}}}}}}}"
    hooks(mappings(text.format("a", "p", "X-A"), text.format("b", "q", "X-A")))
    with pytest.raises(BadInput, match="another `auth`"):
        hooks(mappings(text.format("a", "p", "X-A"), text.format("b", "q", "X-B")))


def test_no_broker_is_asked_for_webhooks() -> None:
    assert not [each for each in filters(shipped()) if each.startswith("hooks")]


def test_what_a_hook_says_takes_the_way_of_every_message() -> None:
    reader = decoder([sourced("envoy/1")])
    (message,) = hear(reader, "hooks/envoy", BODY)
    assert (message.kind, message.key) == ("visitor.checked_in", "7")
    assert refusal(decoder([sourced()]), "hooks/envoy", BODY) == (
        "unknown_entity: no campus names the source 'envoy/1'"
    )


def test_what_is_no_webhook_is_not_read_as_one_and_the_other_way_round() -> None:
    assert refusal(decoder([sourced("esphome/hooks/x")]), "hooks/status", "online") == "unknown_topic"
    assert refusal(decoder([sourced("envoy/1")]), "hooks/nobody", BODY) == "unknown_topic"
