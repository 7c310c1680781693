"""The past judged again, out of the journal: on the command line, over HTTP, and why something was so."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from rich.console import Console

from alerts import desk as alert_desk
from alerts import store as alerts
from app import migrate
from app.backtest import Question
from app.backtest import run as run_backtest
from app.store import Store
from core import journal, registry
from core.campus import Campus
from core.clock import ManualClock, stopwatch
from core.database import Database
from core.errors import BadInput, Unavailable
from core.findings import Finding
from core.messages import Message
from core.vault import Vault
from rules import past, store
from rules.aside import Aside
from rules.backtest import Backtest, Known, variants
from rules.past import PriceOrder, Written
from rules.rule import Rule, with_params
from rules.why import why
from tests import servers
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk
from tests.unit.rules.talk import at, closed, opened, rule_from, run

HELD = """
id: held
title: Held open
scope: {door: {exterior: true}}
key: door.id
params: {hold: {type: duration, default: 60s, min: 10s, max: 30m}}
hold: {while: 'door.position == "open"', for: p.hold}
severity: severe
"""
DAY = timedelta(days=1)
HOUR = 3600.0
LENGTHS = (30, 70, 130, 400)
STORY = [
    each
    for number, length in enumerate(LENGTHS)
    for each in (opened("gym-east", number * 1000), closed("gym-east", number * 1000 + length))
]


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


async def heard(database: Database, messages: list[Message]) -> None:
    async with database.transaction() as session:
        assert len(await journal.append(session, messages)) == len(messages)


async def real_alert(database: Database, campus: Campus, rule: Rule, messages: list[Message]) -> list[int]:
    """What the rule found in the messages, each an alert, and each of them real."""
    numbers: list[int] = []
    for finding in run(campus, [rule], *messages, until=messages[-1].at.timestamp() - START.timestamp() + 60):
        async with database.transaction() as session:
            (alert,) = await alert_desk.handle_all(session, [finding], {campus.id: campus}, now=finding.at)
        assert alert is not None
        if finding.state == "resolved":
            async with database.transaction() as session:
                await alert_desk.resolve(
                    session, alert.id, who="person:reyes", disposition="real", note="", now=finding.at
                )
            numbers.append(alert.id)
    return numbers


# --------------------------------------------------------------------------------------------------- the journal
async def test_the_journal_gives_the_same_prices_as_the_messages(
    database: Database, campus: Campus, held: Rule
) -> None:
    await heard(database, STORY)
    forms = variants(held, {}, {"hold": ["20s", "60s", "5m"]})
    steps: list[float] = []
    async with database.reading() as session:
        found = await past.price(session, [campus], forms, since=START, until=START + DAY, progress=steps.append)
    pure = Backtest([campus], forms, since=START, until=START + DAY)
    for message in STORY:
        pure.accept(message)
    pure.finish()
    assert found == pure.prices()
    assert [each.findings for each in found] == [4, 3, 1]
    assert steps[-1] == 1.0


async def test_a_span_that_makes_no_sense_is_refused(sqlite_database: Database, campus: Campus, held: Rule) -> None:
    forms = variants(held, {}, {})
    async with sqlite_database.reading() as session:
        for since in (START, START - 1000 * DAY):
            with pytest.raises(BadInput):
                await past.price(session, [campus], forms, since=since, until=START)


# -------------------------------------------------------------------------------------------- another process
@pytest.fixture
def order(sqlite_database: Database, held: Rule) -> PriceOrder:
    return PriceOrder(
        database_url=sqlite_database.url,
        campuses=[registry.to_plain(lincoln())],
        rule=Written.of(held),
        since=START,
        until=START + DAY,
        sweep={"hold": ["20s", "60s"]},
        known=[Known(id=7, code="A7", campus="lincoln", key="main", began_at=START)],
    )


async def test_an_order_is_carried_out_in_another_process(sqlite_database: Database, order: PriceOrder) -> None:
    await heard(sqlite_database, STORY)
    found = await Aside().ask(order)
    assert [each["findings"] for each in found] == [4, 3]
    assert found[0]["missed_real"][0]["code"] == "A7"


async def test_the_event_loop_goes_on_meanwhile(sqlite_database: Database, order: PriceOrder) -> None:
    await heard(sqlite_database, STORY)
    asking = asyncio.create_task(Aside().ask(order))
    longest, before = 0.0, stopwatch()
    while not asking.done():
        await asyncio.sleep(0.005)
        longest, before = max(longest, stopwatch() - before), stopwatch()
    await asking
    assert longest < 0.5


async def test_what_takes_too_long_is_given_up_and_said(order: PriceOrder) -> None:
    with pytest.raises(Unavailable, match=r"longer than 0\.01 s"):
        await Aside(seconds=0.01).ask(order)


async def test_only_a_few_are_carried_out_at_once(sqlite_database: Database, order: PriceOrder) -> None:
    aside = Aside(most=1)
    first = asyncio.create_task(aside.ask(order))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="in a moment"):
        await aside.ask(order)
    await first
    await aside.ask(order)


async def test_problems_come_back_as_problems(order: PriceOrder) -> None:
    wrong = msgspec.structs.replace(order, sweep={"hold": ["1s"]})
    with pytest.raises(BadInput) as caught:
        await Aside().ask(wrong)
    assert caught.value.problems[0].where == "sweep.hold"


# ------------------------------------------------------------------------------------------------- over HTTP
@pytest.fixture
async def desk(sqlite_database: Database, vault: Vault, campus: Campus, held: Rule) -> Desk:
    clock = ManualClock(START + timedelta(hours=4))
    found = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    await heard(sqlite_database, STORY)
    async with sqlite_database.transaction() as session:
        await store.save_rule(session, held, now=START, by="dean")
    return found


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client("admin") as client:
        client.base_url = httpx.URL("http://hallwatch.test/api/v1/")
        yield client


async def test_a_sweep_over_http_marks_the_real_alerts_it_would_miss(
    desk: Desk, admin: httpx.AsyncClient, campus: Campus, held: Rule
) -> None:
    numbers = await real_alert(desk.house.database, campus, held, STORY)
    said = {"rule_id": "held", "sweep": {"hold": ["60s", "120s"]}, "since": "2026-11-24T00:00:00Z"}
    answer = await admin.post("rules/backtest", json=said)
    assert answer.status_code == 200, answer.text
    same, longer = answer.json()["values"]
    assert (same["params"], same["findings"], same["missed_real"]) == ({"hold": "60s"}, 3, [])
    assert longer["findings"] == 2
    assert [each["id"] for each in longer["missed_real"]] == numbers[:1]
    assert [each["later_by"] for each in longer["delayed_real"]] == ["1m", "1m"]
    assert longer["alerts_per_day"] > 0


async def test_a_draft_is_priced_without_being_saved(admin: httpx.AsyncClient) -> None:
    draft = {**yaml.safe_load(HELD), "scope": {"door": {"id": "main"}}}
    answer = await admin.post("rules/backtest", json={"rule": draft})
    assert [each["findings"] for each in answer.json()["values"]] == [0]
    assert (await admin.get("rules/held")).json()["version"] == 1


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({}, "rule_id"),
        ({"rule_id": "held", "sweep": {"hold": ["1s"]}}, "sweep.hold"),
        ({"rule_id": "held", "params": {"hodl": "60s"}}, "params.hodl"),
        ({"rule_id": "held", "since": "2020-01-01T00:00:00Z"}, "since"),
        ({"rule_id": "held", "until": "2020-01-01T00:00:00Z", "since": "2021-01-01T00:00:00Z"}, "until"),
        ({"rule": {"id": "x"}}, "title"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused_at_once(
    admin: httpx.AsyncClient, said: dict[str, Any], where: str
) -> None:
    answer = await admin.post("rules/backtest", json=said)
    assert answer.status_code == 422
    assert where in [each["where"] for each in answer.json()["problems"]]


async def test_unknown_rules_and_campuses_are_not_found(admin: httpx.AsyncClient) -> None:
    assert (await admin.post("rules/backtest", json={"rule_id": "nothing"})).status_code == 404
    said = {"rule_id": "held", "campus": "jefferson"}
    assert (await admin.post("rules/backtest", json=said)).status_code == 404


async def test_too_much_at_once_is_said_with_503(desk: Desk, admin: httpx.AsyncClient) -> None:
    desk.app.state.aside = Aside(seconds=0.01)
    answer = await admin.post("rules/backtest", json={"rule_id": "held"})
    assert answer.status_code == 503
    assert "shorter time" in answer.json()["detail"]
    assert "Retry-After" in answer.headers


async def test_why_and_why_not_over_http(desk: Desk) -> None:
    async with desk.client("viewer") as client:
        query = {"key": "gym-east", "at": at(40).isoformat()}
        said = (await client.get("/api/v1/rules/held/why", params=query)).json()
        assert said["state"] == "quiet"
        assert any("30s short" in each for each in said["words"])
        assert said["read"]["messages"] > 0
        query["at"] = at(2070).isoformat()
        said = (await client.get("/api/v1/rules/held/why", params=query)).json()
        assert said["state"] == "firing"
        query["at"] = at(2010).isoformat()
        said = (
            await client.get("/api/v1/rules/held/why", params=query | {"campus": "lincoln", "history": "1d"})
        ).json()
        assert said["state"] == "pending"
        for wrong in (
            {"at": "2030-01-01T00:00:00Z"},
            {"key": ""},
            {"history": "1y"},
            {"history": "400d"},
        ):
            assert (await client.get("/api/v1/rules/held/why", params=query | wrong)).status_code == 422
        assert (await client.get("/api/v1/rules/held/why", params=query | {"campus": "x"})).status_code == 404
        assert (await client.get("/api/v1/rules/nothing/why", params=query)).status_code == 404


# ---------------------------------------------------------------------------------------------------- shadow
def shadowed(findings: list[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(each, mode="shadow", version=2) for each in findings]


async def test_a_draft_in_shadow_shows_what_it_would_have_gained_and_lost(
    desk: Desk, admin: httpx.AsyncClient, campus: Campus, held: Rule
) -> None:
    assert (await admin.get("rules/held/shadow")).status_code == 409, "it is live"
    draft = with_params(held, {"hold": "120s"})
    document = {**draft.document, "mode": "shadow"}
    async with desk.house.database.transaction() as session:
        await store.save_rule(session, rule_from(json.dumps(document)), now=START, by="dean")
        found = run(campus, [draft], *STORY, until=2 * HOUR)
        extra = run(campus, [draft], opened("main", 0), closed("main", 500), until=HOUR)
        await alerts.add_shadows(session, shadowed([*found, *extra]))
    said = (await admin.get("rules/held/shadow")).json()
    assert said["against"] == {"rule": "held", "version": 1, "by": "replay"}
    assert [(each["key"], each["began_at"]) for each in said["gained"]] == [("main", "2026-11-24T14:02:00Z")]
    assert [each["began_at"] for each in said["lost"]] == ["2026-11-24T14:17:40Z"], "the one of 70 s"
    assert said["both"] == 2


async def test_a_draft_beside_a_live_rule_is_measured_by_its_alerts(
    desk: Desk, admin: httpx.AsyncClient, campus: Campus, held: Rule
) -> None:
    await real_alert(desk.house.database, campus, held, STORY)
    draft = rule_from(HELD.replace("id: held", "id: draft").replace("default: 60s", "default: 120s") + "mode: shadow\n")
    async with desk.house.database.transaction() as session:
        await store.save_rule(session, draft, now=START, by="dean")
        await alerts.add_shadows(session, run(campus, [draft], *STORY, until=2 * HOUR))
    said = (await admin.get("rules/draft/shadow", params={"against": "held"})).json()
    assert said["against"]["by"] == "alerts"
    assert (said["gained"], len(said["lost"]), said["both"]) == ([], 1, 2)
    alone = (await admin.get("rules/draft/shadow")).json()
    assert (alone["against"], len(alone["gained"])) == (None, 2), "there never was a live version of it"


# -------------------------------------------------------------------------------------------- the command line
@pytest.fixture
def service(tmp_path: Path, vault: Vault, held: Rule) -> servers.Service:
    async def fill() -> None:
        database = Database(f"sqlite:///{tmp_path}/hallwatch.db")
        await migrate.upgrade(database)
        async with database.transaction() as session:
            await registry.save(session, vault, lincoln(), now=START, by="dean")
            await store.save_rule(session, held, now=START, by="dean")
        await heard(database, STORY)
        await database.close()

    asyncio.run(fill())
    (tmp_path / "held.yaml").write_text(HELD)
    return servers.Service(tmp_path)


SPAN = ("--since", "2026-11-24T08:00", "--until", "2026-11-24T20:00:00Z")


def test_the_command_prices_a_sweep(service: servers.Service) -> None:
    said = service.command("backtest", "held", *SPAN, "--sweep", "hold=20s,60s,5m")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["20s", "4"], ["60s", "3"], ["5m", "1"]]
    assert said.stderr == ""


def test_the_command_speaks_json_and_takes_drafts(service: servers.Service) -> None:
    said = json.loads(service.command("backtest", "held.yaml", *SPAN, "--set", "hold=120s", "--json").stdout)
    assert (said["rule"], said["since"]) == ("held", "2026-11-24T14:00:00Z")
    (value,) = said["values"]
    assert (value["params"], value["findings"], value["alerts_per_day"]) == ({"hold": "120s"}, 2, 8.0)


def test_the_command_ends_with_2_and_a_line_for_what_is_wrong(service: servers.Service) -> None:
    said = service.command("backtest", "held", "--sweep", "hold=1s,60s", check=False)
    assert said.returncode == 2
    assert said.stderr.strip() == "sweep.hold: 1s is below the minimum of 10s"


@pytest.mark.parametrize(
    ("question", "where", "message"),
    [
        (Question("held", set=("hold",)), "--set", "'hold' must be PARAMETER=VALUE"),
        (Question("held", sweep=("hold=",)), "--sweep", "must be PARAMETER=VALUE,VALUE"),
        (Question("held", sweep=("hodl=1s",)), "hodl", "did you mean 'hold'"),
        (Question("held", since="yesterday"), "--since", "'yesterday' is no time"),
        (Question("held", since="1d", until="2d"), "until", "must be later than since"),
        (Question("missing.yaml"), "", "no such file"),
    ],
)
async def test_what_cannot_be_priced_is_refused_by_name(
    sqlite_database: Database, vault: Vault, held: Rule, question: Question, where: str, message: str
) -> None:
    async with sqlite_database.transaction() as session:
        await registry.save(session, vault, lincoln(), now=START, by="dean")
        await store.save_rule(session, held, now=START, by="dean")
    opened_ = Store(sqlite_database, vault, ManualClock(START))
    with pytest.raises(BadInput) as caught:
        await run_backtest(opened_, question, Console(), Console(stderr=True), as_json=False)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert message in problem.message


# --------------------------------------------------------------------------------------------- the documentation
PAGE = (servers.ROOT / "docs" / "rules.md").read_text("utf-8")


def test_the_example_of_the_page_is_what_the_command_says(service: servers.Service, campus: Campus) -> None:
    example = re.search(r"```console\n\$ hallwatch (.*?)\n(.*?)```", PAGE, re.DOTALL)
    whole_rule = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert whole_rule is not None
    rule = rule_from(whole_rule[1])

    async def fill() -> None:
        database = Database(f"sqlite:///{service.folder}/hallwatch.db")
        async with database.transaction() as session:
            await store.save_rule(session, rule, now=START, by="dean")
        await real_alert(database, campus, rule, STORY[2:6])
        await database.close()

    asyncio.run(fill())
    said = service.command(*example[1].split()).stdout
    code = re.compile(r"missed \S+ at")
    assert code.sub("missed … at", said).split() == code.sub("missed … at", example[2]).split()


async def test_the_why_of_the_page_is_what_is_answered(campus: Campus) -> None:
    whole_rule = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    example = re.search(r"```text\nDoor 7(.*?)```", PAGE, re.DOTALL)
    assert whole_rule is not None
    assert example is not None
    found = why(campus, rule_from(whole_rule[1]), "gym-east", at(40), STORY[:2], since=at(-60), until=at(600))
    assert "\n".join(found.words) == f"Door 7{example[1].rstrip()}"
