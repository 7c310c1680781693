"""The page for school IT says what is so."""

from __future__ import annotations

import re

import pytest

from core.campus import Campus
from core.facts import GatheringFacts
from core.messages import KINDS
from core.world import World
from ingest.mapping import Mapping, run_examples, shipped
from ingest.mapping.binding import Sources
from ingest.mapping.topics import covers
from ingest.webhooks import hooks, sign, verify
from tests.campuses import lincoln
from tests.conftest import START
from tests.servers import ROOT
from tests.unit.ingest.mapped import decoder, hear, mappings, sourced, told

PAGE = (ROOT / "docs" / "devices.md").read_text("utf-8")
SAID = re.findall(r"^\| `([a-z]+/[a-z-]+)` \| `(.+?)` \| ([a-z_.]+) \|$", PAGE, re.MULTILINE)
SOURCES = re.findall(r"\| [a-z][^|]* \| `source` \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)


@pytest.mark.parametrize(("topic", "payload", "kind"), SAID)
def test_each_line_of_the_table_means_what_it_says(topic: str, payload: str, kind: str) -> None:
    assert [each.kind for each in hear(decoder([lincoln()]), f"campus/lincoln/{topic}", payload)] == [kind]


def test_the_table_has_every_kind_that_a_device_can_say() -> None:
    assert {kind for _, _, kind in SAID} == {kind.kind for kind in KINDS.values() if kind.heard_as}


def test_the_mapping_on_the_page_works() -> None:
    (text,) = re.findall(r"```yaml\n(- id: acme-contact.+?)```", PAGE, re.DOTALL)
    acme, lamps = mappings(text)
    assert run_examples(acme) == []
    reader = decoder([sourced("acme/gym-7")], [lamps, acme])
    assert told(hear(reader, "acme/north/gym-7/report", '{"state": {"reed": "SHUT"}}')) == [("door.closed", "door-0")]
    assert hear(reader, "acme/north/lamp-3/report", "whatever") == []


def test_the_webhook_on_the_page_works() -> None:
    (text,) = re.findall(r"```yaml\n(- id: acme-hook.+?)```", PAGE, re.DOTALL)
    (acme,) = mappings(text)
    assert run_examples(acme) == []
    hook = hooks([acme])["acme"]
    assert hook.auth.hmac is not None
    body = b'{"type": "badge", "event": 8, "door": {"id": "north"}, "result": "no"}'
    headers = sign(hook.auth.hmac, body, "a secret", START)
    assert headers["X-Acme-Signature"].startswith("sha256=")
    verify(hook, headers, body, "a secret", START)
    found = hear(decoder([sourced("acme/north")], [acme]), hook.topic, body)
    assert told(found) == [("access.denied", "door-0")]


def test_a_total_on_our_own_topics_counts_what_it_has_grown_by() -> None:
    assert '`{"direction": "in", "total": 9374}`' in PAGE
    world, reader = World(lincoln()), decoder([lincoln()])
    for total in (9370, 9374):
        for message in hear(
            reader, "campus/lincoln/attendance/winter-concert", f'{{"direction":"in","total":{total}}}'
        ):
            world.apply(message)
    facts = world.get("gathering", "winter-concert")
    assert isinstance(facts, GatheringFacts)
    assert facts.count == 4


def test_the_sources_on_the_page_are_those_of_the_mappings() -> None:
    lines = [line for table in SOURCES for line in table.splitlines()]
    named = [source for line in lines for source in re.findall(r"`([a-z0-9-]+/[^`]+)`", line.rpartition(" | ")[2])]
    assert len(named) >= 25
    families = {mapping.document.source.split("/")[0] for mapping in shipped() if mapping.document.source}
    assert {source.split("/")[0] for source in named} == families
    for source in named:
        name, _, wiring = source.partition("?")
        telling = [each for each in shipped() if each.family != "device" and each.names(name)]
        fitting = [each for each in telling if (wiring or None) in (each.wirings or (None,))]
        campus = counted(source) if telling and telling[0].family == "attendance" else sourced(source)
        assert any(Sources([campus]).find(name, each) for each in fitting), source


def counted(source: str) -> Campus:
    party = {"id": "g", "name": "G", "start": "2026-12-04T18:00", "end": "2026-12-04T20:00", "source": source}
    return lincoln(gatherings=[party], calendar={})


@pytest.mark.parametrize("mapping", shipped(), ids=lambda mapping: mapping.id)
def test_the_brokers_list_lets_devices_say_what_a_mapping_reads(mapping: Mapping) -> None:
    acl = (ROOT / "deploy" / "mosquitto" / "acl").read_text("utf-8")
    section = acl.partition("user sensors\n")[2].partition("\nuser ")[0]
    allowed = re.findall(r"^topic write (.+)$", section, re.MULTILINE)
    for pattern in mapping.topics if not mapping.is_silent and not mapping.is_hook else ():
        assert any(covers(each, pattern.filters[0]) for each in allowed), pattern.text
