"""Mappings and the journal together: what comes twice is written once, and a crash loses and doubles nobody."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from core import journal
from core.database import Database
from core.facts import GatheringFacts
from core.messages import Heard, Message
from core.world import World
from ingest.decode import Decoder
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, sourced

CONCERT = {"id": "concert", "name": "Concert", "start": "2026-11-24T07:00", "end": "2026-11-24T22:00"}


async def take_in(database: Database, reader: Decoder, heard: Heard, now: datetime) -> list[Message]:
    async with database.transaction() as session:
        return await journal.append(session, reader.decode(heard, now))


async def test_an_event_of_two_feeds_is_written_once(database: Database) -> None:
    event: dict[str, Any] = {
        "device-id": 1, "door-id": 2, "event-id": 9, "card-number": 7, "access-granted": True,
        "timestamp": "2026-11-24 07:59:59 CST",
    }  # fmt: skip
    raw = json.dumps({"message": {"event": event}}).encode()
    reader = decoder([sourced("uhppoted/1/2")])
    live = await take_in(database, reader, Heard("uhppoted/gateway/events/live", raw, packet=1), START)
    fed = [
        await take_in(database, reader, Heard("uhppoted/gateway/events", raw, packet=2), START + timedelta(minutes=n))
        for n in (0, 1, 180)
    ]
    assert [message.kind for message in live] == ["access.granted"]
    assert fed == [[], [], []]


async def test_an_advertisement_that_two_gateways_hear_is_written_once(database: Database) -> None:
    reader = decoder([sourced("shelly-blu/a")])
    raw = b'{"address": "a", "pid": 12, "window": 1}'
    heard = [Heard(f"shelly-blu/{gateway}", raw) for gateway in ("gym", "lobby")]
    found = [await take_in(database, reader, each, START) for each in heard]
    assert [len(messages) for messages in found] == [1, 0]


async def test_heads_of_a_while_that_are_sent_again_count_once(database: Database) -> None:
    campus = lincoln(gatherings=[CONCERT | {"source": "xovis/80:1F/Line 0?fw=in"}], calendar={})
    now = int(START.timestamp() * 1000)
    record = {"from": now - 60_000, "to": now, "counts": [{"name": "fw", "value": 5}, {"name": "bw", "value": 2}]}
    logic = {"name": "Line 0", "info": "XLT_LINE_IN_OUT_COUNT", "records": [record]}
    push = {"logics_data": {"sensor_info": {"serial_number": "80:1F"}, "package_info": {"id": 3}, "logics": [logic]}}
    world = World(campus)
    for packet in (1, 2):
        push["logics_data"]["package_info"] = {"id": packet}
        heard = Heard("xovis/gym", json.dumps(push).encode(), packet=packet)
        for message in await take_in(database, decoder([campus]), heard, START):
            world.apply(message)
    facts = world.get("gathering", "concert")
    assert isinstance(facts, GatheringFacts)
    assert facts.count == 3


async def test_a_total_survives_whatever_is_lost_between_two_commits(database: Database) -> None:
    campus = lincoln(gatherings=[CONCERT | {"source": "ttn/school/vs/line_1"}], calendar={})
    world = World(campus)
    for number, (total, crashes) in enumerate([(100, False), (104, True), (104, False), (104, False), (110, False)]):
        said = {"uplink_message": {"f_cnt": number, "decoded_payload": {"line_1_total_in": total}}}
        heard = Heard("v3/school/devices/vs/up", json.dumps(said).encode(), packet=number)
        reader = decoder([campus])
        if crashes:
            reader.decode(heard, START)
            continue
        for message in await take_in(database, reader, heard, START + timedelta(seconds=number)):
            world.apply(message)
    facts = world.get("gathering", "concert")
    assert isinstance(facts, GatheringFacts)
    assert facts.count == 10
