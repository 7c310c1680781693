"""The corridor while it runs: mappings taken over, sensors found, devices measured, what was put aside read again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app import differences, documents
from app.wiring import Service, build
from core import journal, registry, state
from core.campus import Campus
from core.clock import ManualClock, SystemClock
from core.database import Base
from core.documents import Document
from core.facts import DoorFacts
from core.messages import Heard
from core.settings import Settings
from core.vault import Vault
from ingest import discovery, health, quarantine, store
from ingest.mapping import Mapping, read_mappings
from tests import servers
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.integration.test_ingest_discovery import Z2M, Z2M_TOPIC
from tests.integration.test_ingest_mqtt import Ear, say, until

WORDS = {"SHUT": "closed", "AJAR": "open"}
TOPIC = "homeassistant/sensor/dock/state"


def acme(words: dict[str, str]) -> Mapping:
    document = {
        "id": "acme",
        "match": {"topic": "homeassistant/sensor/{device}/state"},
        "source": "acme/{device}",
        "decode": "text",
        "emit": "door.position",
        "value": {"map": words},
    }
    (found,) = read_mappings([Document(document)])
    return found


def with_dock() -> Campus:
    return lincoln(doors=[*LINCOLN["doors"], {"id": "dock", "name": "Dock", "source": "acme/dock"}])


@contextlib.asynccontextmanager
async def corridor(folder: Path, vault: Vault, campus: Campus, clock: Any, **settings: Any) -> AsyncIterator[Service]:
    """A service whose tables are those the rows describe."""
    url = f"sqlite:///{folder}/live.db"
    found = build(
        Settings(database_url=url, secret_key=servers.SECRET_KEY, **settings), clock, listen="mqtt_url" in settings
    )
    async with found.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with found.database.transaction() as session:
        await registry.save(session, found.vault, campus, now=clock.now(), by="test")
    await found.pipeline.refresh()
    found.pipeline.catching_up = False
    yield found
    await found.close()


async def write(service: Service, *mappings: Mapping) -> None:
    async with service.database.transaction() as session:
        await store.save(session, mappings, now=service.clock.now(), by="test")
    await service.pipeline.refresh()


async def heard(service: Service, key: str) -> list[str]:
    async with service.database.reading() as session:
        return [row.kind for row in await journal.find(session, key=key)][::-1]


async def test_a_mapping_is_taken_over_while_the_service_runs(
    tmp_path: Path, vault: Vault, mosquitto: servers.Mosquitto
) -> None:
    async with corridor(tmp_path, vault, with_dock(), SystemClock(), mqtt_url=mosquitto.url()) as service:
        assert service.listener is not None
        listening = asyncio.create_task(service.listener.run())
        await until(lambda: service.listener is not None and service.listener.status.connected)
        await say(mosquitto, "AJAR", topic=TOPIC)
        await write(service, acme(WORDS))
        # It hears the new topic as soon as the broker has answered; until then it asks again.
        async with asyncio.timeout(10):
            while not await heard(service, "dock"):
                await say(mosquitto, "AJAR", topic=TOPIC)
                await asyncio.sleep(0.1)
        assert set(await heard(service, "dock")) == {"door.opened"}
        await write(service, acme({"SHUT": "open", "AJAR": "closed"}))
        await say(mosquitto, "AJAR", topic=TOPIC)
        async with asyncio.timeout(10):
            while "door.closed" not in await heard(service, "dock"):
                await asyncio.sleep(0.05)
        async with service.database.reading() as session:
            assert await quarantine.find(session) == []
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def test_the_listener_hears_what_it_is_told_to_and_no_longer_what_it_is_not(
    mosquitto: servers.Mosquitto,
) -> None:
    async with Ear(mosquitto, topics=["zigbee2mqtt/#"]).open() as ear:
        ear.listener.subscribe(["tele/#"])
        async with asyncio.timeout(10):
            while not ear.heard:
                await say(mosquitto, "1", topic="tele/x/SENSOR")
                await asyncio.sleep(0.05)
        await until(lambda: not ear.listener.status.waiting)
        ear.heard.clear()
        await say(mosquitto, "gone", topic="zigbee2mqtt/x")
        await say(mosquitto, "own")
        await until(lambda: "own" in [each.decode() for each in ear.payloads])
        assert b"gone" not in ear.payloads
        assert ear.listener.status.reason == ""
    # What was wanted while there was no connection is asked for with the next one.
    other = Ear(mosquitto, client_id="other", topics=[])
    other.listener.subscribe(["tele/#"])
    async with other.open():
        await say(mosquitto, "2", topic="tele/x/SENSOR")
        await other.wait_for(1)


async def test_a_retained_state_comes_once_however_often_topics_change(mosquitto: servers.Mosquitto) -> None:
    await say(mosquitto, "kept", topic="zigbee2mqtt/x", retain=True)
    async with Ear(mosquitto, topics=["zigbee2mqtt/#"]).open() as ear:
        await ear.wait_for(1)
        ear.listener.subscribe(["zigbee2mqtt/#", "tele/#"])
        async with asyncio.timeout(10):
            while len(ear.heard) < 2:
                await say(mosquitto, "1", topic="tele/x/SENSOR")
                await asyncio.sleep(0.05)
        assert ear.payloads.count(b"kept") == 1


async def test_sensors_that_announce_themselves_are_found_and_not_put_aside(
    tmp_path: Path, vault: Vault, clock: ManualClock
) -> None:
    async with corridor(tmp_path, vault, lincoln(), clock) as service:
        batch = [
            Heard(Z2M_TOPIC, msgspec.json.encode(Z2M), retained=True),
            Heard("homeassistant/light/lamp/config", b"{}", retained=True),
            Heard("homeassistant/binary_sensor/broken/config", b"{", retained=True),
            Heard("campus/lincoln/door/config", b'{"position": "open"}'),
        ]
        receipt = await service.pipeline.on_messages(batch)
        assert (receipt.accepted, [(place, reason[:14]) for place, reason in receipt.quarantined]) == (
            2,
            [(2, "bad_json"), (3, "unknown_entity")],
        )
        async with service.database.reading() as session:
            found = await discovery.proposals(session, service.pipeline.campuses.values(), [])
        assert [each.sensor.topic for each in found] == [Z2M_TOPIC]


async def test_devices_are_measured_by_batch_and_a_batch_that_fails_counts_nothing(
    tmp_path: Path, vault: Vault, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(number: int) -> Heard:
        return Heard(
            "campus/lincoln/door/gym-east", msgspec.json.encode({"position": "open", "id": f"{number}", "seq": number})
        )

    async with corridor(tmp_path, vault, lincoln(), clock) as service:
        await service.pipeline.on_messages([said(1), said(2), said(2)])

        async def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("the commit fails")

        monkeypatch.setattr("app.pipeline.feed.publish", fail)
        with pytest.raises(RuntimeError):
            await service.pipeline.on_messages([said(3), said(9)])
        monkeypatch.undo()
        await service.pipeline.on_messages([said(3), said(5)])
        async with service.database.reading() as session:
            tally = (await health.load(session, "lincoln"))["gym-east-contact"]
        assert (tally.messages, tally.duplicates, tally.lost, tally.seq) == (4, 1, 1, 5)
        counted = service.metrics.registry.get_sample_value
        assert counted("hallwatch_messages_lost_total") == 1
        assert counted("hallwatch_messages_duplicate_total") == 1


async def test_what_is_read_again_is_as_old_as_it_is(tmp_path: Path, vault: Vault, clock: ManualClock) -> None:
    async with corridor(tmp_path, vault, lincoln(), clock) as service:
        await service.pipeline.on_messages([Heard("campus/lincoln/door/dock", b'{"position": "open"}')])
        clock.jump(timedelta(hours=1))
        async with service.database.transaction() as session:
            await registry.save(session, vault, with_dock(), now=clock.now(), by="test")
        await service.pipeline.refresh()
        await service.pipeline.on_messages([Heard("campus/lincoln/door/dock", b'{"position": "closed"}')])
        clock.jump(timedelta(hours=1))
        async with service.database.reading() as session:
            (row,) = await quarantine.find(session)
        first = await service.pipeline.on_messages([row.again])
        # Cut short before it was noted, it may be done once more.
        second = await service.pipeline.on_messages([row.again])
        assert (first.accepted, second.accepted, second.duplicates) == (1, 0, 1)
        async with service.database.reading() as session:
            facts = await state.get(session, "lincoln", "door", "dock")
            closed, opened = await journal.find(session, key="dock")
        assert isinstance(facts, DoorFacts)
        assert facts.position == "closed"
        assert (journal.read(opened).at, journal.read(opened).received_at) == (START, clock.now())
        assert journal.read(opened).late
        assert not journal.read(closed).late


async def test_mappings_are_loaded_dumped_and_loaded_again(tmp_path: Path, vault: Vault, clock: ManualClock) -> None:
    async with corridor(tmp_path, vault, lincoln(), clock) as service:
        files = documents.Files(mappings=[acme(WORDS)])

        async def load(**how: Any) -> list[str]:
            async with service.database.transaction() as session:
                changes = await documents.load(session, vault, files, now=clock.now(), by="test", **how)
            return [differences.told(each) for each in changes]

        assert await load(dry_run=True) == ["+ mapping acme"]
        assert await load() == ["+ mapping acme"]
        assert await load() == []
        async with service.database.reading() as session:
            plain = await documents.dump(session, vault)
        (tmp_path / "out").mkdir()
        documents.write(tmp_path / "out", plain)
        files = documents.read([tmp_path / "out"])
        assert [each.id for each in files.mappings] == ["acme"]
        assert await load() == []
        files.mappings = [acme({"SHUT": "closed"})]
        (told,) = await load()
        assert told.startswith("~ mapping acme\n    - value.map.AJAR: open")
