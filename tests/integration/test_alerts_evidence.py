"""The evidence pack: whole for those who may see it, without a name for the others, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta

from alerts import answers, evidence, handover, links, outbox, presses, quiet
from alerts.cap_check import check
from alerts.redaction import WITHHELD
from alerts.srp import suggestion
from alerts.suppression import Suppression
from core import audit, journal
from core.campus import Campus
from core.database import Database
from core.messages import DoorOpened
from tests.conftest import START
from tests.unit.alerts.making import advice, deliveries, extreme, finding, later, mark_sent, take
from tests.unit.alerts.test_plan_picture import placed


async def lived(database: Database, campus: Campus) -> int:
    """An alert that was told, taken, written about and closed."""
    heard = DoorOpened(
        campus="lincoln",
        door="gym-east",
        at=START - timedelta(seconds=1),
        received_at=START,
        message_id="m-1",
        source="gym",
    )
    because = {
        "messages": [{"kind": "door.opened", "key": "gym-east", "at": heard.at.isoformat(), "message_id": "m-1"}]
    }
    async with database.transaction() as session:
        await journal.append(session, [heard])
    alert = await take(database, campus, extreme(because=because))
    rows = await deliveries(database, alert.id)
    async with database.transaction() as session:
        await mark_sent(session, rows[:1])
        await mark_sent(session, rows[1:], "refused")
        await outbox.cancel(session, [alert.id], "x", until=("ack",))
        await links.make(session, alert=alert.id, person="reyes", endpoint="reyes-phone", generation=1, now=START)
        await presses.press(session, alert.id, "ack", who="person:reyes", generation=1, campus=campus, now=later(20))
        await answers.note(session, alert.id, who="user:Pat", text="It was Robin Free", now=later(30))
        await answers.resolve(
            session, alert.id, who="person:reyes", disposition="real", note="Robin again", now=later(60)
        )
    return alert.id


async def files(database: Database, campus: Campus, number: int, *, redacted: bool = False) -> dict[str, bytes]:
    async with database.reading() as session:
        rule = {"id": "door-forced", "title": "A door was forced"}
        record = await evidence.gather(session, number, campus=campus, now=later(90), rule=rule)
    written = evidence.pack(record, redacted=redacted)
    assert written == evidence.pack(record, redacted=redacted)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_the_pack_holds_all_that_is_known(database: Database) -> None:
    campus = placed()
    found = await files(database, campus, await lived(database, campus))
    whole = json.loads(found["record.json"])
    assert set(found) >= {"summary.txt", "record.json", "manifest.json", "plan.png", "cap/001-alert.xml"}
    assert whole["messages"][0]["body"] == {"door": "gym-east", "position": "open"}
    assert whole["rule"]["title"] == "A door was forced"
    assert [each["event"] for each in whole["timeline"]] == ["opened", "notify", "acknowledged", "note", "closed"]
    assert {each["state"] for each in whole["deliveries"]} >= {"accepted", "refused"}
    assert [each["action"] for each in whole["audit"]][:2] == ["alert.open", "alert.acknowledge"]
    assert all(each["fits"] for each in whole["audit"])


async def test_the_summary_reads_like_a_report(database: Database) -> None:
    campus = placed()
    said = (await files(database, campus, await lived(database, campus)))["summary.txt"].decode()
    for words in (
        "EXTREME: Door 7 (Gym east) was forced",
        "Taken by   person:reyes, 2026-11-24 08:00:20 CST",
        "It was Robin Free",
        "Officer Reyes            has it",
        "person:reyes: alert.resolve",
        "The last row of the record has the hash",
    ):
        assert words in said


async def test_every_hash_is_right_and_every_cap_message_valid(database: Database, campus: Campus) -> None:
    found = await files(database, campus, await lived(database, campus))
    listed = json.loads(found.pop("manifest.json"))["sha256"]
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    messages = [content for name, content in found.items() if name.startswith("cap/")]
    assert len(messages) == 3
    assert [check(each) for each in messages] == [[], [], []]


async def test_the_redacted_pack_names_nobody(database: Database, campus: Campus) -> None:
    found = await files(database, campus, await lived(database, campus), redacted=True)
    everything = b"".join(found.values()).decode("utf-8", "replace")
    for secret in ("reyes", "Reyes", "diaz", "Diaz", "Okafor", "Pat", "Robin", "Planted", "555-0100"):
        assert secret not in everything, secret
    assert not [name for name in found if name.startswith("cap/")]
    assert "REDACTED COPY" in found["summary.txt"].decode()
    assert "was forced" in found["summary.txt"].decode()


async def test_what_was_changed_afterwards_shows(database: Database, campus: Campus) -> None:
    number = await lived(database, campus)
    async with database.transaction() as session:
        [row, *_] = await audit.find(session, subject=f"alert:{number}")
        row.actor = "person:nobody"
    whole = json.loads((await files(database, campus, number))["record.json"])
    assert [each["fits"] for each in whole["audit"]].count(False) == 1


async def test_the_redacted_pack_tells_of_silence_and_handing_over_without_the_words_of_people(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    until = later(minutes=30)
    kept = Suppression(
        campus="lincoln",
        kind="shelf",
        alert=alert.id,
        author="person:diaz",
        reason="Robin paints",
        created_at=START,
        starts_at=START,
        ends_at=until,
        next_at=until,
    )
    everybody = {campus.id: campus}
    async with database.transaction() as session:
        held = await quiet.suppress(session, kept, campus, later(5))
        await quiet.lift(session, held.id, who="person:diaz", campuses=everybody, now=later(60))
        await answers.acknowledge(session, alert.id, who="person:reyes", now=later(70))
        await handover.hand_over(session, alert.id, who="person:reyes", to="diaz", campuses=everybody, now=later(80))
        await answers.resolve(session, alert.id, who="person:diaz", disposition="real", note="Robin", now=later(90))
    found = await files(database, campus, alert.id, redacted=True)
    lines = {each["event"]: each["text"] for each in json.loads(found["record.json"])["timeline"]}
    assert lines["suppressed"].endswith(f"keeps it quiet until 08:30: {WITHHELD}")
    assert lines["unsuppressed"] == "Nothing keeps it quiet any more, and it still stands"
    assert " handed it over to person " in lines["handover"]
    assert lines["closed"].endswith(f"closed it as real: {WITHHELD}")
    everything = b"".join(found.values()).decode("utf-8", "replace")
    for secret in ("Robin", "reyes", "Reyes", "diaz", "Diaz"):
        assert secret not in everything, secret


async def test_the_summary_shows_what_the_rule_suggests(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme(advice=advice(srp="secure")))
    said = (await files(database, campus, alert.id))["summary.txt"].decode()
    for words in suggestion("secure"):
        assert words in said
