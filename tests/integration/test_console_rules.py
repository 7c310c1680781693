"""The pages about rules: what each says, what its forms do, and what they refuse."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import yaml

from api.console import attention
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store
from rules.aside import Aside
from rules.rule import Rule, read_rule, shipped
from tests.conftest import START
from tests.integration.test_api_alerts import find
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_api_rules import HELD
from tests.integration.test_backtest import HOUR, STORY, heard, real_alert
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


@pytest.fixture
async def held(desk: Desk) -> Rule:
    """A rule with a parameter, in force."""
    await save(desk, HELD)
    return read_rule(HELD)


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.browser("admin") as browser:
        yield browser


async def save(desk: Desk, document: dict[str, Any], **changes: Any) -> None:
    async with desk.house.database.transaction() as session:
        await store.save_rule(session, read_rule(document | changes), now=desk.house.clock.now(), by="token:dean")


async def present(desk: Desk, rule: str = "held") -> Rule:
    async with desk.house.database.reading() as session:
        return await store.load_rule(session, rule)


async def look(browser: httpx.AsyncClient, path: str, **query: Any) -> str:
    """What a page says, once it has been worked out."""
    for _ in range(200):
        answer = await browser.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        if "data-wait" not in answer.text:
            return answer.text
        assert 'http-equiv="refresh"' in answer.text, "without a script the page must look again, too"
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} is never worked out")


async def said(browser: httpx.AsyncClient, path: str, **query: Any) -> str:
    return html.unescape(in_one_line(await look(browser, path, **query)))


async def press(browser: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Send a form as its page would, and follow where it leads."""
    page = await browser.get("/rules")
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', page.text))
    answer = await browser.post(path, data={"csrf": csrf, **fields})
    return await browser.get(answer.headers["Location"]) if answer.status_code == 303 else answer


def told(answer: httpx.Response) -> str:
    return html.unescape(in_one_line(answer.text))


# ------------------------------------------------------------------------------------------------------ the list
async def test_the_list_says_each_rule_in_plain_english_and_what_it_costs(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    for number in range(5):
        alert = await find(desk, rule="held", key=f"d{number}")
        async with desk.client("sro") as client:
            if number:
                words = {"disposition": "nuisance" if number > 1 else "real", "note": ""}
                assert (await client.post(f"/api/v1/alerts/{alert}/resolve", json=words)).status_code == 200
    object.__setattr__(desk.house, "rule_health", lambda: {"held": "division by zero (3 times)"})
    desk.app.state.house = desk.house
    text = await said(admin, "/rules")
    assert "Held open held When the door is open, and stays so for 1m; severe." in text
    assert "live severe 1 5 3 of 4 look at its values 08:00:00 version 1, dean" in text
    assert "Goes wrong: division by zero (3 times)" in text


async def test_the_list_counts_the_same_on_both_databases(
    database: Database, clock: ManualClock, vault: Vault, campus: Campus
) -> None:
    desk = await open_desk(*build_house(database, clock, vault, campus))
    await find(desk)
    await find(desk, key="main", exercise="drill")
    async with database.reading() as session:
        assert await attention.read(session, START, "jefferson") == {}
        found = await attention.read(session, START, "lincoln")
        assert found == await attention.read(session, START)
    assert found["door-held-open"] == attention.Attention(found=1, called=1, judged=0, nuisance=0, open=2)
    assert found["door-held-open"].share == "not said yet"
    async with database.reading() as session:
        later = await attention.of_rule(session, "door-held-open", START + timedelta(days=31))
    assert later == attention.Attention(open=2)


async def test_the_list_is_searched_by_a_word(desk: Desk, admin: httpx.AsyncClient) -> None:
    async with desk.house.database.transaction() as session:
        await store.seed(session, shipped(), now=START)
    assert f"{len(shipped())} rules" in await said(admin, "/rules")
    text = await said(admin, "/rules", q="wheelchair")
    assert "No rule says “wheelchair”" in text
    text = await said(admin, "/rules", q="Restricted")
    assert "restricted-pickup" in text
    assert "door-held-open" not in text


async def test_a_rule_that_can_no_longer_be_read_is_listed_and_leads_to_its_document(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    async with desk.house.database.transaction() as session:
        row = await session.get(store.RuleRow, ("held", 1))
        assert row is not None
        row.document = '{"id": "held", "title": "Old", "gone": 1}'
    page = await look(admin, "/rules")
    assert "It can no longer be read, and is not judged" in page
    assert 'href="/rules/held/document"' in page
    assert "gone: 1" in await look(admin, "/rules/held/document")
    answer = await press(admin, "/rules/held/document", version=1, text=yaml.safe_dump(HELD))
    assert "Saved (version 2)" in told(answer)


async def test_surprises_are_looked_for_when_somebody_asks(admin: httpx.AsyncClient, held: Rule) -> None:
    assert "heartbeat of gym-east-contact" not in await said(admin, "/rules")
    assert "heartbeat of gym-east-contact" in await said(admin, "/rules", warn=1)


# ------------------------------------------------------------------------------------------------------- one rule
async def test_one_rule_shows_what_it_says_watches_and_has_open(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    await find(desk, rule="held")
    page = await look(admin, "/rules/held")
    text = html.unescape(in_one_line(page))
    assert "door: exterior: 3 at Lincoln High School" in text
    assert "Door 7 (Gym east) is open" in text
    assert "10s to 30m; now 60s" in text
    assert 'type="range"' in page
    assert (await admin.get("/rules/nothing")).status_code == 404


async def test_a_viewer_sees_all_and_is_offered_nothing(desk: Desk, held: Rule) -> None:
    await save(desk, HELD, title="Held longer")
    async with desk.browser("viewer") as browser:
        for path in ("", "/why", "/versions", "/document"):
            page = await look(browser, f"/rules/held{path}")
            assert set(re.findall(r'<form method="post" action="([^"]+)"', page)) <= {"/logout"}, path
        assert (await browser.get("/rules/held/edit")).status_code == 403
        assert (await browser.get("/rules/held", params={"price": "hold"})).status_code == 403


# ------------------------------------------------------------------------------------------------------ the price
async def test_the_price_of_each_value_stands_in_a_picture_and_a_table(
    desk: Desk, admin: httpx.AsyncClient, campus: Campus, held: Rule, clock: ManualClock
) -> None:
    await heard(desk.house.database, STORY)
    await real_alert(desk.house.database, campus, held, STORY)
    clock.jump(2 * HOUR)
    page = await look(admin, "/rules/held", price="hold")
    text = html.unescape(in_one_line(page))
    words = dict(re.findall(r'data-words="([^":]+): ([^"]+)"', page))
    assert words["60s"] == "3 alerts in 30 days, 0 of 3 real ones lost"
    assert words["30s"].startswith("3 alerts")
    assert words["2m"] == "2 alerts in 30 days, 1 of 3 real ones lost"
    assert words["30m"] == "0 alerts in 30 days, 3 of 3 real ones lost"
    assert len(words) <= 16
    assert page.count('class="price__one') == len(words)
    assert "1 lost" in text
    assert "60s now" in text
    assert "Suggested" not in text, "no other value keeps every real alert as early"
    await save(desk, HELD, params=HELD["params"] | {"hold": HELD["params"]["hold"] | {"default": "10s"}})
    assert "price of each value" in await said(admin, "/rules/held", price="hold"), "another version, another price"


async def test_the_price_is_suggested_where_nothing_real_is_lost(
    desk: Desk, admin: httpx.AsyncClient, campus: Campus, held: Rule, clock: ManualClock
) -> None:
    await heard(desk.house.database, STORY)
    await real_alert(desk.house.database, campus, held, STORY[6:])
    await save(desk, HELD, params=HELD["params"] | {"hold": HELD["params"]["hold"] | {"default": "20s"}})
    clock.jump(2 * HOUR)
    text = await said(admin, "/rules/held", price="hold")
    assert "30s would have called 3 times instead of 4, with the one real alert just as early. You decide." in text


async def test_what_cannot_be_priced_now_says_so_and_may_be_asked_again(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    desk.app.state.aside = Aside(seconds=0.01)
    text = await said(admin, "/rules/held", price="hold")
    assert "ask for a shorter time" in text
    assert "Try again" in text
    assert (await admin.get("/rules/held", params={"price": "hodl"})).status_code == 404


# -------------------------------------------------------------------------------------------------------- tuning
async def test_values_are_saved_with_a_reason_as_a_new_version(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    answer = await press(admin, "/rules/held/params", version=1, reason="too many", **{"params.hold": "2m"})
    assert "hold is 2m now (version 2)." in told(answer)
    assert (await present(desk)).document["params"]["hold"]["default"] == "2m"
    late = await press(admin, "/rules/held/params", version=1, **{"params.hold": "3m"})
    assert late.status_code == 412
    assert "is at version 2 now" in told(late)


@pytest.mark.parametrize(
    ("value", "words"), [("1s", "below the minimum"), ("soon", "not a duration"), ("60s", "nothing was saved")]
)
async def test_values_that_will_not_do_are_refused_at_their_field(
    admin: httpx.AsyncClient, held: Rule, value: str, words: str
) -> None:
    admin.headers["Accept"] = "application/json"
    page = await admin.get("/rules", headers={"Accept": "text/html"})
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', page.text))
    answer = await admin.post("/rules/held/params", data={"csrf": csrf, "version": 1, "params.hold": value})
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert problem["where"] == "params.hold"
    assert words in problem["message"]


async def test_a_form_without_its_proof_changes_nothing(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    answer = await admin.post("/rules/held/params", data={"version": 1, "params.hold": "2m"})
    assert answer.status_code == 403
    assert (await present(desk)).version == 1


# ------------------------------------------------------------------------------------- mode, overrides, versions
async def test_a_life_safety_rule_is_off_only_for_a_while(desk: Desk, admin: httpx.AsyncClient) -> None:
    await save(desk, HELD, severity="extreme")
    refused = await press(admin, "/rules/held/mode", version=1, mode="disabled")
    assert refused.status_code == 409
    assert "life-safety" in told(refused)
    for_a_while = {"mode": "disabled", "until": "2026-11-24T12:00", "reason": "painters"}
    text = told(await press(admin, "/rules/held/mode", version=1, **for_a_while))
    assert "It is disabled for a while (version 2)." in text
    assert "disabled holds now everything 08:00:00 to 12:00:00 painters the admin" in text
    text = told(await press(admin, "/rules/held/overrides/end", version=2, number=0))
    assert "The override has ended (version 3)." in text
    assert "None: the rule holds everywhere as it says." in text


async def test_other_values_hold_for_a_while(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    fields = {"version": 1, "scope": "door: {zone: gym}", "until": "2026-11-24T22:30", "reason": "winter concert"}
    text = told(await press(admin, "/rules/held/overrides", **fields, **{"params.hold": "10m"}))
    assert "hold = 10m holds now door: zone gym" in text
    assert "winter concert the admin" in text
    (override,) = (await present(desk)).document["overrides"]
    assert override["until"] == "2026-11-25T04:30:00Z", "the campus's own time"
    for wrong, words in (
        ({"until": "tomorrow"}, "write a day and a time"),
        ({"until": "2026-11-24T07:00"}, "lies in the past"),
        ({"reason": ""}, "reason"),
        ({"scope": "door: [zone"}, "scope: not YAML"),
        ({"scope": "door: {colour: red}"}, "no such field"),
    ):
        answer = await press(admin, "/rules/held/overrides", **fields | {"version": 2} | wrong, mode="shadow")
        assert answer.status_code == 422, wrong
        assert words in told(answer)


async def test_versions_show_what_changed_line_for_line_and_are_put_back(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    await save(desk, HELD, title="Held too long", severity="moderate")
    page = await look(admin, "/rules/held/versions")
    text = html.unescape(in_one_line(page))
    assert "Version 2 live in force" in text
    assert "2 lines added, 2 removed" in text
    assert "removed: title: Held open" in text
    assert "added: title: Held too long" in text
    assert "<ins>severity: moderate</ins>" in page
    assert "<del>severity: severe</del>" in page
    answer = await press(admin, "/rules/held/rollback", version=2, to=1, reason="it was right")
    assert "Version 1 is in force again (version 3)." in told(answer)
    assert (await present(desk)).title == "Held open"


async def test_many_versions_come_in_pieces(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    for number in range(25):
        await save(desk, HELD, title=f"Held {number}")
    page = await look(admin, "/rules/held/versions")
    assert page.count('id="version-') == 20
    (further,) = re.findall(r'href="([^"]+before=\d+)"', page)
    rest = await look(admin, html.unescape(further))
    assert re.findall(r'id="version-(\d+)"', rest) == ["6", "5", "4", "3", "2", "1"]


async def test_a_deleted_rule_is_brought_back(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    text = told(await press(admin, "/rules/held/delete", version=1))
    assert "The rule was deleted. Any of its versions can be put in force again." in text
    assert "held" not in await said(admin, "/rules")
    await press(admin, "/rules/held/rollback", version=0, to=1)
    assert (await present(desk)).version == 3


# ----------------------------------------------------------------------------------------------- why, and shadow
async def test_why_and_why_not_in_words(desk: Desk, admin: httpx.AsyncClient, held: Rule, clock: ManualClock) -> None:
    await heard(desk.house.database, STORY)
    clock.jump(2 * HOUR)
    form = await look(admin, "/rules/held/why")
    assert '<option value="gym-east">Door 7 (Gym east)</option>' in form
    assert 'value="office"' not in form, "an interior door is not in its scope"
    text = await said(admin, "/rules/held/why", key="gym-east", at="2026-11-24T08:00:40")
    assert "It did not hold" in text
    assert "30s short" in text
    assert 'door.position == "open" false' in text
    text = await said(admin, "/rules/held/why", key="gym-east", at="2026-11-24T14:34:30Z")
    assert "It held" in text
    text = await said(admin, "/rules/held/why", key="cellar", at="2026-11-24T08:00:40")
    assert "Nothing is known of it" in text
    assert (await admin.get("/rules/held/why", params={"key": "main", "at": "2031-01-01T00:00"})).status_code == 422


async def test_a_draft_in_shadow_is_compared_promoted_or_discarded(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    assert "The rule is live." in await said(admin, "/rules/held/shadow")
    assert (await press(admin, "/rules/held/discard", version=1)).status_code == 409
    await press(admin, "/rules/held/mode", version=1, mode="shadow", reason="a try")
    text = await said(admin, "/rules/held/shadow")
    assert "0 gained, 0 lost, 0 found by both" in text
    assert "It is live now" in told(await press(admin, "/rules/held/mode", version=2, mode="live"))
    await press(admin, "/rules/held/mode", version=3, mode="shadow")
    assert "Version 3 is in force again" in told(await press(admin, "/rules/held/discard", version=4))
    assert (await present(desk)).mode == "live"


async def test_a_draft_that_never_was_live_goes_when_it_is_discarded(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    text = told(await press(admin, "/rules/held/copy", id="draft", title="A draft", shadow="yes"))
    assert "The copy draft is there, in shadow" in text
    assert (await present(desk, "draft")).mode == "shadow"
    taken = await press(admin, "/rules/held/copy", id="draft", title="Another")
    assert taken.status_code == 409
    assert "there is a rule 'draft' already" in told(taken)
    assert (await press(admin, "/rules/held/copy", id="No Good", title="x")).status_code == 422
    assert "The draft draft was discarded" in told(await press(admin, "/rules/draft/discard", version=1))
    assert "A draft" not in await said(admin, "/rules")


# ------------------------------------------------------------------------------------- the form and the document
async def fields_of(browser: httpx.AsyncClient, path: str) -> dict[str, str]:
    """What the form on a page would send if nothing was touched."""
    page = await look(browser, path)
    form = page[page.index('<form method="post" action="/rules') :]
    form = form[: form.index("</form>")]
    found = dict(re.findall(r'<input type="(?:text|hidden)"[^>]* name="([^"]+)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.S))
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r"<option selected>([^<]*)<", options)
        found[name] = chosen[1] if chosen else ""
    found |= dict.fromkeys(re.findall(r'type="checkbox"[^>]*name="([^"]+)" value="yes" checked', form), "yes")
    return {name: html.unescape(value) for name, value in found.items()}


async def test_a_form_that_was_not_touched_saves_nothing(admin: httpx.AsyncClient, held: Rule) -> None:
    fields = await fields_of(admin, "/rules/held/edit")
    fields.pop("csrf")
    answer = await press(admin, "/rules/held/edit", **fields)
    assert answer.status_code == 422
    assert "everything is as it was" in told(answer)


async def test_the_form_changes_what_it_says_and_nothing_else(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    fields = await fields_of(admin, "/rules/held/edit")
    fields.pop("csrf")
    assert fields["hold.for"] == "p.hold"
    assert fields["scope"] == "{door: {exterior: true}}"
    changes = {"severity": "moderate", "scope": "{door: {zone: gym}}", "keep": "5s", "alert.do": "Go.\r\nLook.\r\n"}
    answer = await press(admin, "/rules/held/edit", **fields | changes, **{"alert.latch": "yes"}, shadow="yes")
    assert "Saved, in shadow: nobody is told (version 2)." in told(answer)
    after = dict((await present(desk)).document)
    assert after == {
        **HELD,
        "severity": "moderate",
        "scope": {"door": {"zone": "gym"}},
        "keep": "5s",
        "alert": {"do": ["Go.", "Look."], "latch": True},
        "mode": "shadow",
    }


async def test_the_form_names_the_field_that_is_wrong_and_runs_the_tests(admin: httpx.AsyncClient, held: Rule) -> None:
    fields = await fields_of(admin, "/rules/held/edit")
    fields.pop("csrf")
    wrong = await press(admin, "/rules/held/edit", **fields | {"hold.while": 'door.positon == "open"'})
    assert wrong.status_code == 422
    assert "hold.while: column 6" in told(wrong)
    assert "did you mean" in told(wrong)
    failing = await press(admin, "/rules/held/edit", **fields | {"hold.for": "5m"})
    assert "tests[1]: expected firing by 1m1s, but nothing was found" in told(failing)
    unread = await press(admin, "/rules/held/edit", **fields | {"scope": "{door: ["})
    assert "scope: not YAML" in told(unread)


async def test_the_document_shows_what_is_wrong_in_its_line_and_keeps_what_was_typed(
    desk: Desk, admin: httpx.AsyncClient, held: Rule
) -> None:
    page = await look(admin, "/rules/held/document")
    text = html.unescape(page[page.index("<textarea") : page.index("</textarea>")].partition(">\n")[2])
    assert yaml.safe_load(text) == HELD
    spoilt = text.replace('door.position == "open"', 'door.positon == "open"')
    answer = await press(admin, "/rules/held/document", version=1, text=spoilt.replace("\n", "\r\n"))
    assert answer.status_code == 422
    shown = html.unescape(answer.text)
    line = next(number for number, each in enumerate(spoilt.splitlines(), 1) if "positon" in each)
    assert f"Line {line}, hold.while" in shown
    broken = spoilt.splitlines()[line - 1]
    assert f"{broken}\n{' ' * broken.index('positon')}^" in shown
    assert spoilt.strip() in shown, "nothing that was typed is lost"
    assert "not YAML" in told(await press(admin, "/rules/held/document", version=1, text="a: ["))
    assert (await present(desk)).version == 1


async def test_the_document_is_checked_saved_and_guarded(desk: Desk, admin: httpx.AsyncClient, held: Rule) -> None:
    text = yaml.safe_dump({**HELD, "severity": "moderate"})
    answer = await press(admin, "/rules/held/document", version=1, text=text, only_check="yes")
    assert "It could be saved Held open: when the door is open, and stays so for 1m; moderate." in told(answer)
    assert (await present(desk)).version == 1
    assert "Saved (version 2)." in told(await press(admin, "/rules/held/document", version=1, text=text))
    other = yaml.safe_dump({**HELD, "severity": "minor"})
    answer = await press(admin, "/rules/held/document", version=1, text=other)
    assert answer.status_code == 412
    assert "severity: minor" in answer.text
    assert "your text stands here" in answer.text
    failing = yaml.safe_dump({**HELD, "hold": {"while": "door.exterior", "for": "5m"}})
    answer = await press(admin, "/rules/held/document", version=2, text=failing)
    assert "expected firing by 1m1s" in told(answer)


async def test_names_that_are_no_names_are_shown_as_text(desk: Desk, admin: httpx.AsyncClient) -> None:
    bad = '"><script>alert(1)</script>'
    await save(desk, HELD, title=bad + "x" * 150, why=bad, alert={"do": [bad], "text": "x"})
    await save(desk, HELD, title=bad, why=bad)
    for path in ("", "/held", "/held/why", "/held/versions", "/held/document", "/held/edit", "/held/copy"):
        page = await look(admin, f"/rules{path}")
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert(1)" in page, path
        assert not re.search(r"\sstyle=|\son[a-z]+=", page), path
        assert page.count("<h1") == 1, path
