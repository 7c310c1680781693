"""Personal data is gone, or in disguise, before anything is kept."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from core.messages import Heard
from core.wire import Refused
from ingest.decode import Decoder
from ingest.mapping import shipped
from ingest.mapping.privacy import pseudonym
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import KEY, decoder, hear, mappings, sourced

EVENT = {
    "device-id": 405419896, "event-id": 50, "access-granted": True, "door-id": 4, "card-number": 8165538,
    "timestamp": "2026-11-24 08:00:00 CST",
}  # fmt: skip
TOPIC = "uhppoted/gateway/events"
CAMPUS = sourced("uhppoted/405419896/4")


def event(**more: object) -> str:
    return json.dumps({"message": {"event": EVENT | more}})


def test_a_card_number_is_never_seen_again_and_the_same_card_is_the_same() -> None:
    reader = decoder([CAMPUS])
    first, second, other = (hear(reader, TOPIC, event(**{"card-number": n}))[0] for n in (8165538, 8165538, 8165539))
    assert first.body()["credential"] == second.body()["credential"] != other.body()["credential"]
    assert "8165538" not in repr(first)


def test_another_key_gives_other_pseudonyms() -> None:
    assert pseudonym(8165538, KEY) != pseudonym(8165538, b"another")
    assert pseudonym(8165538, KEY) == pseudonym("8165538", KEY)


def test_nobody_and_a_pseudonym_stand_for_themselves() -> None:
    once = pseudonym("8165538", KEY)
    assert pseudonym(once, KEY) == once
    assert [pseudonym(nobody, KEY) for nobody in (0, "0", "")] == [0, "0", ""]


def test_without_a_key_a_mapping_that_needs_one_refuses_and_nothing_else_reads_it() -> None:
    reader = Decoder([CAMPUS], shipped(), prefix="campus", lateness=timedelta(seconds=1))
    with pytest.raises(Refused, match="no key for pseudonyms is set"):
        reader.decode(Heard(TOPIC, event().encode()), START)


@pytest.mark.parametrize("key", [KEY, None])
def test_what_is_kept_of_a_refused_payload_tells_no_name(key: bytes | None) -> None:
    reader = Decoder([lincoln()], shipped(), prefix="campus", lateness=timedelta(seconds=1), pseudonym_key=key)
    heard = Heard(TOPIC, event().encode(), packet=7)
    with pytest.raises(Refused):
        reader.decode(heard, START)
    kept = reader.presentable(heard)
    assert (kept.topic, kept.packet) == (TOPIC, 7)
    assert b"8165538" not in kept.payload
    assert b"405419896" in kept.payload
    visitor = {"meta": {"event": "entry_sign_in", "location": {"id": 1}}, "payload": {"attributes": {"email": "a@b.c"}}}
    assert b"a@b.c" not in reader.presentable(Heard("hooks/envoy", json.dumps(visitor).encode())).payload


def test_what_is_kept_can_be_read_once_it_is_mended() -> None:
    kept = decoder([lincoln()]).presentable(Heard(TOPIC, event().encode()))
    again, at_once = hear(decoder([CAMPUS]), TOPIC, kept.payload)[0], hear(decoder([CAMPUS]), TOPIC, event())[0]
    assert again.body() == at_once.body()
    assert again.message_id == at_once.message_id


def test_what_is_not_personal_or_cannot_be_read_is_kept_as_it_came() -> None:
    reader = decoder([lincoln()])
    for topic, payload in ((TOPIC, b"\xff"), ("zigbee2mqtt/x", b'{"name": 1}'), ("campus/lincoln/door/x", b"{}")):
        heard = Heard(topic, payload)
        assert reader.presentable(heard) is heard


def test_what_is_dropped_is_dropped_in_every_element() -> None:
    text = """
    id: people
    match: {topic: people}
    drop: "rows[*].name"
    each: "rows[*]"
    capture: {door: door}
    source: people/{door}
    emit: door.access
    value: {always: granted}
    side: {credential: card}
    """
    payload = '{"rows": [{"door": 1, "card": "c-1", "name": "Pat"}, {"door": 2, "name": "Kim"}]}'
    reader = decoder([sourced("people/1", "people/2")], mappings(text))
    assert [each.body().get("credential") for each in hear(reader, "people", payload)] == ["c-1", None]
    assert b"Pat" not in reader.presentable(Heard("people", payload.encode())).payload
