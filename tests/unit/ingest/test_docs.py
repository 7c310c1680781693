"""The page for school IT says what is so."""

from __future__ import annotations

import re

import pytest

from core.messages import KINDS
from ingest.mapping import Mapping, run_examples, shipped
from ingest.mapping.binding import Sources
from ingest.mapping.topics import covers
from tests.campuses import lincoln
from tests.servers import ROOT
from tests.unit.ingest.mapped import decoder, hear, mappings, sourced, told

PAGE = (ROOT / "docs" / "devices.md").read_text("utf-8")
SAID = re.findall(r"^\| `([a-z]+/[a-z-]+)` \| `(.+?)` \| ([a-z_.]+) \|$", PAGE, re.MULTILINE)
SOURCES = re.search(r"\| devices \| `source` \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)


@pytest.mark.parametrize(("topic", "payload", "kind"), SAID)
def test_each_line_of_the_table_means_what_it_says(topic: str, payload: str, kind: str) -> None:
    assert [each.kind for each in hear(decoder([lincoln()]), f"campus/lincoln/{topic}", payload)] == [kind]


def test_the_table_has_every_kind_that_a_device_can_say() -> None:
    assert {kind for _, _, kind in SAID} == {kind.kind for kind in KINDS.values() if kind.heard_as}


def test_the_mapping_on_the_page_works() -> None:
    (text,) = re.findall(r"```yaml\n(- id: acme.+?)```", PAGE, re.DOTALL)
    acme, lamps = mappings(text)
    assert run_examples(acme) == []
    reader = decoder([sourced("acme/gym-7")], [lamps, acme])
    assert told(hear(reader, "acme/north/gym-7/report", '{"state": {"reed": "SHUT"}}')) == [("door.closed", "door-0")]
    assert hear(reader, "acme/north/lamp-3/report", "whatever") == []


def test_the_sources_on_the_page_are_those_of_the_mappings() -> None:
    assert SOURCES is not None
    named = [source for line in SOURCES[1].splitlines() for source in re.findall(r"`([a-z0-9]+/[^`]+)`", line)]
    assert len(named) >= 12
    families = {mapping.document.source.split("/")[0] for mapping in shipped() if mapping.document.source}
    assert {source.split("/")[0] for source in named} == families
    for source in named:
        name, _, wiring = source.partition("?")
        doors = [
            each for each in shipped() if each.family == "door" and (wiring in each.document.value.wiring or not wiring)
        ]
        fitting = [each for each in doors if bool(each.document.value.wiring) == bool(wiring)]
        assert any(Sources([sourced(source)]).find(name, each) for each in fitting), source


@pytest.mark.parametrize("mapping", shipped(), ids=lambda mapping: mapping.id)
def test_the_brokers_list_lets_devices_say_what_a_mapping_reads(mapping: Mapping) -> None:
    acl = (ROOT / "deploy" / "mosquitto" / "acl").read_text("utf-8")
    section = acl.partition("user sensors\n")[2].partition("\nuser ")[0]
    allowed = re.findall(r"^topic write (.+)$", section, re.MULTILINE)
    for pattern in mapping.topics if not mapping.is_silent else ():
        assert any(covers(each, pattern.filters[0]) for each in allowed), pattern.text
