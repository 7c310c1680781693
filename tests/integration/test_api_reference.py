"""The pieces of a campus, edited one by one; its calendar; who is here; and what only some may see."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from core import audit, registry
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.unit.api.house import Desk, build_house, open_desk

C = "/api/v1/campuses/lincoln"


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def stored(desk: Desk, vault: Vault) -> Campus:
    async with desk.house.database.reading() as session:
        found = await registry.load(session, vault, "lincoln")
    assert found is not None
    return found


async def test_a_door_is_read_changed_and_removed(desk: Desk, vault: Vault) -> None:
    async with desk.client("admin") as admin:
        shown = await admin.get(f"{C}/doors/gym-west")
        assert shown.json()["class"] == "monitored"
        changed = shown.json() | {"name": "Gym west, by the field", "tags": ["ada"]}
        tag = {"If-Match": shown.headers["ETag"]}
        first = await admin.put(f"{C}/doors/gym-west", json=changed, headers=tag)
        assert first.status_code == 200
        assert first.headers["ETag"] == (await admin.get(f"{C}/doors/gym-west")).headers["ETag"] != tag["If-Match"]
        late = await admin.put(f"{C}/doors/gym-west", json=shown.json(), headers=tag)
        assert late.status_code == 412
        assert late.json()["title"] == "Changed meanwhile"
        fresh = await admin.put(f"{C}/doors/annex", json={"name": "Annex", "zone": "gym", "exterior": True})
        assert fresh.json()["id"] == "annex"
        assert (await admin.delete(f"{C}/doors/annex", headers={"If-Match": '"x"'})).status_code == 412
        assert (await admin.delete(f"{C}/doors/annex")).status_code == 204
        assert (await admin.delete(f"{C}/doors/annex")).status_code == 404
        assert (await admin.get(f"{C}/doors/annex")).status_code == 404
    assert (await stored(desk, vault)).doors_by_id["gym-west"].name == "Gym west, by the field"
    async with desk.house.database.reading() as session:
        deeds = await audit.find(session, subject="door:lincoln/gym-west")
    assert [deed.action for deed in deeds] == ["campus.edit"]
    assert '"keys":["name","tags"]' in deeds[0].detail


@pytest.mark.parametrize(
    ("part", "key", "said", "where"),
    [
        ("doors", "x", {"name": "X", "zone": "gim"}, "doors[4].zone"),
        ("doors", "x", {"name": "X", "colour": "red"}, "doors[4].colour"),
        ("doors", "x", {"id": "y", "name": "X"}, "id"),
        ("zones", "x", {"name": "X", "load": -1}, "zones[2].load"),
        ("devices", "x", {"door": "nowhere"}, "devices[1].door"),
        ("gatherings", "x", {"name": "X", "start": "2026-12-04T18:00", "end": "2026-12-04T17:00"}, "gatherings[1].end"),
        ("watch-list", "x", {"name": "•••", "kind": "banned"}, "name"),
        ("zones", "not an id", {"name": "X"}, "zones[2].id"),
    ],
)
async def test_a_piece_that_does_not_fit_is_refused_by_field(
    small_desk: Desk, vault: Vault, part: str, key: str, said: dict[str, Any], where: str
) -> None:
    before = await stored(small_desk, vault)
    async with small_desk.client("admin") as admin:
        answer = await admin.put(f"{C}/{part}/{key}", json=said)
    assert answer.status_code == 422, answer.text
    assert [each["where"] for each in answer.json()["problems"]] == [where]
    assert await stored(small_desk, vault) == before


async def test_what_others_refer_to_stays(small_desk: Desk) -> None:
    async with small_desk.client("admin") as admin:
        answer = await admin.delete(f"{C}/zones/gym")
    assert answer.status_code == 409
    assert "zone 'gym' is still in use: zones" in answer.json()["detail"] or "doors[1].zone" in answer.json()["detail"]


async def test_a_hundred_editors_of_one_campus_lose_nothing(small_desk: Desk, vault: Vault) -> None:
    async with small_desk.client("admin") as admin:
        answers = await asyncio.gather(
            *(admin.put(f"{C}/zones/z-{number}", json={"name": f"Zone {number}"}) for number in range(100))
        )
        tag = {"If-Match": (await admin.get(f"{C}/zones/z-0")).headers["ETag"]}
        rivals = await asyncio.gather(
            *(admin.put(f"{C}/zones/z-0", json={"name": f"Mine {number}"}, headers=tag) for number in range(100))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert {f"z-{number}" for number in range(100)} <= set((await stored(small_desk, vault)).zones_by_id)
    assert sorted(answer.status_code for answer in rivals) == [200] + [412] * 99


async def test_a_whole_campus_goes_out_and_in_and_masks_keep_what_they_hide(desk: Desk, vault: Vault) -> None:
    before = await stored(desk, vault)
    async with desk.client("admin") as admin:
        shown = await admin.get(C)
        assert "127.0.0.1" not in shown.text
        assert "Planted Secret" not in shown.text
        again = await admin.put(C, json=shown.json(), headers={"If-Match": shown.headers["ETag"]})
        assert again.status_code == 200, again.text
        assert await stored(desk, vault) == before
        changed = shown.json()
        changed["campus"]["name"] = "Lincoln High"
        assert (await admin.put(C, json=changed)).status_code == 200
        assert (await admin.put(C, json=changed, headers={"If-Match": shown.headers["ETag"]})).status_code == 412
        changed["people"][0]["endpoints"][0]["id"] = "unknown-phone"
        masked = await admin.put(C, json=changed)
        assert masked.json()["problems"][0]["where"] == "people[0].endpoints[0].url"
        other = {"campus": {"id": "north", "name": "North Middle", "timezone": "America/Chicago"}}
        assert (await admin.put("/api/v1/campuses/north", json=other)).status_code == 200
        assert (await admin.get("/api/v1/campuses/north")).json()["campus"]["name"] == "North Middle"
        assert (await admin.put("/api/v1/campuses/south", json=other)).status_code == 422
    after = await stored(desk, vault)
    assert after.campus.name == "Lincoln High"
    assert (after.people, after.watch_list) == (before.people, before.watch_list)


# ------------------------------------------------------------------------------------------------ private details
async def test_the_watch_list_is_read_for_a_purpose_and_the_reading_is_on_record(desk: Desk) -> None:
    async with desk.client("sro") as sro, desk.client("viewer") as viewer:
        for path in (C, f"{C}/watch-list", f"{C}/watch-list/w-17"):
            plain = await sro.get(path)
            assert "Planted Secret" not in plain.text, path
            assert "w-17" in plain.text
            assert (await viewer.get(path, params={"purpose": "curiosity"})).status_code == 403
            told = await sro.get(path, params={"purpose": "somebody at the desk"})
            assert "Planted Secret" in told.text, path
    async with desk.house.database.reading() as session:
        deeds = [deed for deed in await audit.find(session) if deed.action == "private.read"]
    assert len(deeds) == 3
    assert deeds[0].actor == "token:the sro"
    assert deeds[0].detail == '{"ids":["w-17"],"purpose":"somebody at the desk","what":"watch_list"}'


async def test_an_entry_that_was_read_masked_is_written_back_whole(small_desk: Desk, vault: Vault) -> None:
    before = (await stored(small_desk, vault)).watch_list[0]
    async with small_desk.client("admin") as admin:
        masked = (await admin.get(f"{C}/watch-list/w-17")).json()
        answer = await admin.put(f"{C}/watch-list/w-17", json=masked | {"expires": "2027-12-31"})
        assert answer.status_code == 200, answer.text
        assert "Planted Secret" not in answer.text
    after = (await stored(small_desk, vault)).watch_list[0]
    assert (after.name, after.instruction, after.aliases) == (before.name, before.instruction, before.aliases)
    assert str(after.expires) == "2027-12-31"


async def hear(desk: Desk, *payloads: dict[str, Any]) -> None:
    said = [{"topic": "campus/lincoln/visitor/lobby", "payload": each} for each in payloads]
    async with desk.client("admin") as admin:
        answer = await admin.post("/api/v1/messages", json=said)
    assert answer.json()["quarantined"] == [], answer.text


async def test_why_somebody_is_held_takes_a_purpose_in_visits_and_messages(desk: Desk) -> None:
    held = {"visit": "v-1", "name": "Pat", "screening": "possible", "watch": "custody", "purpose": "pick up Kim"}
    await hear(desk, {"action": "check_in", **held}, {"action": "check_in", "visit": "v-2", "purpose": "reading hour"})
    async with desk.client("sro") as sro:
        for path in (f"{C}/visits", f"{C}/roster", "/api/v1/messages"):
            plain = await sro.get(path)
            assert "pick up Kim" not in plain.text
            assert "custody" not in plain.text
            assert "Pat" in plain.text
            assert "reading hour" in plain.text
            told = await sro.get(path, params={"purpose": "a parent asks"})
            assert "pick up Kim" in told.text
            assert "custody" in told.text
    async with desk.house.database.reading() as session:
        deeds = [deed.detail for deed in await audit.find(session) if deed.action == "private.read"]
    assert len(deeds) == 3
    assert '"ids":["v-1"]' in deeds[-1]


# ------------------------------------------------------------------------------------------------ who is here
async def test_the_roster_holds_whoever_may_still_be_here(desk: Desk, clock: ManualClock) -> None:
    await hear(
        desk,
        {"action": "check_in", "visit": "v-in", "name": "In"},
        {"action": "check_in", "visit": "v-auto", "name": "Auto"},
        {"action": "check_in", "visit": "v-seen", "name": "Seen"},
        {"action": "check_out", "visit": "v-auto", "method": "auto"},
        {"action": "check_out", "visit": "v-seen", "method": "person"},
    )
    async with desk.client("viewer") as viewer:
        roster = (await viewer.get(f"{C}/roster")).json()
        assert [(each["id"], each["unverified"]) for each in roster["items"]] == [("v-auto", True), ("v-in", False)]
        clock.jump(25 * 3600)
        later = (await viewer.get(f"{C}/roster")).json()
        assert [each["id"] for each in later["items"]] == ["v-in"]


async def test_a_sheet_never_runs_what_a_visitor_is_called(desk: Desk) -> None:
    names = ['=HYPERLINK("http://evil")', "+1", "-1", "@SUM(1)", " =1", 'Pat, the "plumber"', "Zoë"]
    await hear(desk, *({"action": "check_in", "visit": f"v-{n}", "name": name} for n, name in enumerate(names)))
    async with desk.client("viewer") as viewer:
        for path in (f"{C}/visits", f"{C}/roster"):
            answer = await viewer.get(path, params={"limit": 2}, headers={"Accept": "text/csv"})
            assert answer.headers["Content-Type"].startswith("text/csv")
            assert "attachment" in answer.headers["Content-Disposition"]
            rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"))))
            assert [row["name"].removeprefix("'") for row in rows] == names
            assert not any(row["name"].lstrip().startswith(("=", "+", "-", "@")) for row in rows)
            assert "Zoë" in answer.text


async def test_gatherings_are_listed_with_their_heads(desk: Desk) -> None:
    said = {"topic": "campus/lincoln/attendance/winter-concert", "payload": {"mode": "absolute", "count": 12}}
    async with desk.client("admin") as admin:
        before = (await admin.get(f"{C}/gatherings")).json()["items"]
        assert before[0]["count"] is None
        await admin.post("/api/v1/messages", json=said)
        (shown,) = (await admin.get(f"{C}/gatherings")).json()["items"]
        assert (shown["count"], shown["load"], shown["starts_at"]) == (12, shown["load"], "2026-12-05T00:00:00Z")
        assert (await admin.get(f"{C}/gatherings", params={"on": True})).json()["items"] == []


# ------------------------------------------------------------------------------------------------ the calendar
async def test_a_day_is_made_an_exception_and_ordinary_again(desk: Desk, vault: Vault) -> None:
    async with desk.client("admin") as admin:
        assert (await admin.get(f"{C}/calendar/2026-12-01")).json()["type"] == "regular"
        snow = await admin.put(f"{C}/calendar/2026-12-01", json={"type": "closed", "reason": "Snow"})
        assert (snow.json()["exception"], snow.json()["reason"], snow.json()["school"]) == (True, "Snow", [])
        assert (await admin.put(f"{C}/calendar/2026-12-01", json={"type": "snow"})).status_code == 422
        assert (await admin.delete(f"{C}/calendar/2026-12-01")).status_code == 204
        assert (await admin.delete(f"{C}/calendar/2026-12-01")).status_code == 404
        whole = await admin.get(f"{C}/calendar")
        tag = {"If-Match": whole.headers["ETag"]}
        changed = whole.json() | {"exceptions": {}}
        assert (await admin.put(f"{C}/calendar", json=changed, headers=tag)).status_code == 200
        assert (await admin.put(f"{C}/calendar", json=changed, headers=tag)).status_code == 412
        assert not (await stored(desk, vault)).calendar.exceptions
        assert (await admin.delete(f"{C}/calendar")).status_code == 204
        assert (await admin.get(f"{C}/calendar/2026-12-01")).json()["type"] == "closed"


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//district//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261221
DTEND;VALUE=DATE:20261224
SUMMARY:Winter break\\, no school
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20261204T183000Z
DTEND:20261204T213000Z
SUMMARY:Early Release
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20261201
SUMMARY:Picture day
END:VEVENT
BEGIN:VEVENT
UID:4
DTSTART;VALUE=DATE:20261202
SUMMARY:No school
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
UID:5
DTSTART;VALUE=DATE:20270104
RRULE:FREQ=WEEKLY;COUNT=3
EXDATE;VALUE=DATE:20270111
SUMMARY:Teacher workday
END:VEVENT
BEGIN:VEVENT
UID:6
DTSTART;VALUE=DATE:20260907
SUMMARY:Labor Day
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


async def test_a_calendar_file_is_shown_before_it_is_taken_over(desk: Desk, vault: Vault) -> None:
    before = await stored(desk, vault)
    async with desk.client("admin") as admin:
        shown = (await admin.post(f"{C}/calendar/import", json={"ics": ICS})).json()
        assert [(each["date"], each["before"], each["after"]) for each in shown["changes"]] == [
            ("2026-12-04", "regular", "early_release"),
            ("2026-12-21", "regular", "closed"),
            ("2026-12-22", "regular", "closed"),
            ("2026-12-23", "regular", "closed"),
            ("2027-01-04", "regular", "closed"),
            ("2027-01-18", "regular", "closed"),
        ]
        assert shown["words"] == "6 dates would change"
        assert {(each["title"], each["why"]) for each in shown["skipped"]} == {
            ("No school", "is cancelled"),
            ("Picture day", "no word of it stands for a day type"),
        }
        assert await stored(desk, vault) == before
        done = (await admin.post(f"{C}/calendar/import", json={"ics": ICS, "apply": True})).json()
        assert (done["applied"], done["changes"]) == (True, shown["changes"])
        again = (await admin.post(f"{C}/calendar/import", json={"ics": ICS, "apply": True})).json()
        assert (again["applied"], again["words"]) == (False, "nothing to change")
        own = {"ics": ICS, "sort": [{"words": ["picture"], "type": "early_release"}]}
        (change,) = (await admin.post(f"{C}/calendar/import", json=own)).json()["changes"]
        assert (change["date"], change["after"]) == ("2026-12-01", "early_release")
    found = (await stored(desk, vault)).calendar.exceptions
    assert {str(day): each.reason for day, each in found.items()}["2026-12-21"] == "Winter break, no school"
    assert len(found) == 7


@pytest.mark.parametrize("bad", ["x", "BEGIN:VCALENDAR", "BEGIN:VEVENT\r\nDTSTART:never\r\nEND:VEVENT", "\0", "[]"])
async def test_what_is_no_calendar_is_refused_in_words(small_desk: Desk, bad: str) -> None:
    async with small_desk.client("admin") as admin:
        answer = await admin.post(f"{C}/calendar/import", json={"ics": bad})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert "is no iCalendar file" in answer.json()["problems"][0]["message"]
    else:
        assert answer.json()["changes"] == []


async def test_an_event_that_never_ends_is_followed_only_so_far(small_desk: Desk) -> None:
    endless = ICS.replace("RRULE:FREQ=WEEKLY;COUNT=3", "RRULE:FREQ=DAILY")
    async with small_desk.client("admin") as admin:
        answer = await admin.post(f"{C}/calendar/import", json={"ics": endless})
    assert answer.status_code == 200
    assert len(answer.json()["changes"]) < 1000
