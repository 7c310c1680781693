"""The mapping language: what its documents may say, and what is wrong with those that say something else."""

from __future__ import annotations

import json

import pytest

from core.documents import parse
from core.errors import BadInput
from core.world import World
from ingest.mapping import Mapping, filters, mapping_schema, read_mappings, run_examples, shipped
from tests.unit.ingest.mapped import CONTACT, decoder, hear, mappings, refusal, sourced, told


@pytest.mark.parametrize("mapping", shipped(), ids=lambda mapping: mapping.id)
def test_the_examples_of_every_shipped_mapping_hold(mapping: Mapping) -> None:
    assert mapping.document.examples, "a mapping ships with real payloads inside"
    assert run_examples(mapping) == []


def test_an_example_that_does_not_hold_says_what_came_and_where_it_stands() -> None:
    (mapping,) = mappings(CONTACT.replace("gives: {kind: door.opened}", "gives: {kind: door.closed}"))
    (problem,) = run_examples(mapping)
    assert problem.where == "examples[0]"
    assert (problem.file, problem.line) == ("site.yaml", 10)
    assert '"kind":"door.opened"' in problem.message
    assert '"kind":"door.closed"' in problem.message


@pytest.mark.parametrize(
    "expectation",
    [
        "refused: invalid_field",
        "gives: []",
        "gives: {kind: door.opened, battery_pct: 5}",
        "gives: [{kind: door.opened}, {kind: door.opened}]",
    ],
)
def test_an_example_compares_everything_it_says(expectation: str) -> None:
    (mapping,) = mappings(CONTACT.replace("gives: {kind: door.opened}", expectation))
    assert len(run_examples(mapping)) == 1


def test_an_example_on_a_topic_that_does_not_fit_is_a_problem() -> None:
    (mapping,) = mappings(CONTACT.replace("topic: sensors/x", "topic: elsewhere/x"))
    assert "unknown_topic" in run_examples(mapping)[0].message


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (("emit: door.position", "emit: door.positon"), "emit", "did you mean 'door.position'?"),
        (("emit: door.position", "emit: campus.state"), "emit", "cannot be told"),
        (("source: sensors/{device}", "source: sensors/{devise}"), "source", "nothing takes the name 'devise'"),
        (("source: sensors/{device}", "source: sensors/{device"), "source", "braces do not match"),
        (("source: sensors/{device}\n", ""), "source", "is required"),
        (
            ("{true: open,", "{true: opened,"),
            "value.map.true",
            "door.position cannot be 'opened'; did you mean 'open'?",
        ),
        (("path: open, map: {true: open", "path: open, as: int, map: {ajar: open"), "value.map.ajar", "never gives it"),
        (("path: open,", 'path: "open[*]",'), "value.path[0]", "names many values"),
        (("missing: skip", "missing: guess"), "value.missing", "skip"),
        (("missing: skip", "missing: means"), "value.missing", "go together"),
        (("missing: skip", "missing: skip, always: open"), "value.always", "needs no table"),
        (("missing: skip", "missing: skip, wiring: {on=open: {true: open}}"), "value.wiring", "exclude each other"),
        (("battery_pct: battery", "batery_pct: battery"), "side.batery_pct", "did you mean 'battery_pct'?"),
        (('topic: "sensors/{device}"', 'topic: "{device:**}"'), "match.topic[0]", "fits every topic"),
        (('topic: "sensors/{device}"', 'topic: "sensors/#"'), "match.topic[0]", "no level of a topic"),
        (("formats: [iso, epoch_ms]", "formats: [stardate]"), "time.formats[0]", "iso"),
        (("formats: [iso, epoch_ms]", "formats: iso, zone: America/Chicagoo"), "time.zone", "no time zone"),
        (("id: contact", "id: contact\nunknown_key: 1"), "unknown_key", "no such key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change: tuple[str, str], where: str, words: str) -> None:
    text = CONTACT.replace(*change)
    assert text != CONTACT
    with pytest.raises(BadInput) as wrong:
        mappings(text)
    problem = next(each for each in wrong.value.problems if each.where == where)
    assert words in problem.message
    assert problem.file == "site.yaml"
    assert problem.line is not None


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = CONTACT.replace("emit: door.position", "emit: x").replace("id: contact", "id: contact\nfoo: 1")
    with pytest.raises(BadInput) as wrong:
        mappings(text, CONTACT.replace("missing: skip", "missing: guess").replace("id: contact", "id: other"))
    assert len({each.where for each in wrong.value.problems}) >= 2


def test_two_mappings_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match=r"already a mapping 'contact' in site\.yaml"):
        mappings(CONTACT, CONTACT)


@pytest.mark.parametrize("text", ["just text", "42", "[1, 2]", "{}", "- {a: [}"])
def test_a_file_that_holds_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_mappings(parse(text))


def test_a_file_may_hold_a_list() -> None:
    listed = "\n".join(f"- {line}" if line.startswith("id") else f"  {line}" for line in CONTACT.strip().split("\n"))
    assert [each.id for each in mappings(listed)] == ["contact"]


def test_a_key_with_brackets_is_reported_and_not_stumbled_over() -> None:
    with pytest.raises(BadInput, match="cannot be 'maybe'"):
        mappings(CONTACT.replace("{true: open,", '{true: open, "a[b]": maybe,'))


def test_the_schema_names_every_key() -> None:
    assert {"id", "match", "source", "emit", "value", "side", "examples"} <= set(mapping_schema()["properties"])


def test_subscriptions_cover_every_shipped_mapping_and_nothing_twice() -> None:
    found = filters(shipped())
    assert "zigbee2mqtt/#" in found
    assert len(found) == len(set(found))
    assert not any(each.startswith("#") or each == "+/#" for each in found)


class TestReading:
    def test_the_first_mapping_that_fits_reads(self) -> None:
        other = CONTACT.replace("id: contact", "id: mine").replace("{true: open, false: closed}", "{true: closed}")
        campus = sourced("sensors/x")
        assert told(hear(decoder([campus], mappings(other, CONTACT)), "sensors/x", '{"open": true}')) == [
            ("door.closed", "door-0")
        ]

    def test_a_mapping_that_does_not_find_what_it_asks_for_leaves_the_message_to_the_next(self) -> None:
        picky = CONTACT.replace("id: contact", "id: picky").replace(
            '"sensors/{device}"', '"sensors/{device}", require: [a.b]'
        )
        reader = decoder([sourced("sensors/x")], mappings(picky, CONTACT))
        assert told(hear(reader, "sensors/x", '{"open": true}')) == [("door.opened", "door-0")]
        alone = decoder([sourced("sensors/x")], mappings(picky))
        assert refusal(alone, "sensors/x", '{"open": true}').startswith("invalid_field: no mapping")

    def test_excluded_topics_are_left_out(self) -> None:
        text = CONTACT.replace('"sensors/{device}"', '"sensors/{device}", not: ["sensors/y"]')
        reader = decoder([sourced("sensors/x", "sensors/y")], mappings(text))
        assert told(hear(reader, "sensors/x", '{"open": true}'))
        assert refusal(reader, "sensors/y", '{"open": true}') == "unknown_topic"

    def test_what_is_missing_may_mean_something_if_the_mapping_says_so(self) -> None:
        text = CONTACT.replace("missing: skip", "missing: means, default: closed")
        reader = decoder([sourced("sensors/x")], mappings(text))
        assert told(hear(reader, "sensors/x", "{}")) == [("door.closed", "door-0")]

    def test_what_is_missing_is_refused_unless_the_mapping_says_otherwise(self) -> None:
        text = CONTACT.replace(", missing: skip", "")
        reader = decoder([sourced("sensors/x")], mappings(text))
        assert refusal(reader, "sensors/x", "{}") == "invalid_field: open is required"
        assert refusal(reader, "sensors/x", '{"open": null}') == "invalid_field: open is required"

    def test_an_unlisted_value_is_refused_or_skipped_and_never_guessed(self) -> None:
        reader = decoder([sourced("sensors/x")], mappings(CONTACT))
        assert (
            refusal(reader, "sensors/x", '{"open": "true"}') == 'invalid_field: open: "true" is not one of true, false'
        )
        skipping = mappings(CONTACT.replace("missing: skip", "unlisted: skip"))
        assert told(hear(decoder([sourced("sensors/x")], skipping), "sensors/x", '{"open": 7}')) == [
            ("device.heartbeat", "door-0")
        ]

    @pytest.mark.parametrize(
        ("battery", "read"), [(93, 93), (97.5, 98), ("88", 88), (255, None), (-1, None), ("full", None), ([1], None)]
    )
    def test_a_battery_that_cannot_be_read_does_not_cost_us_the_door(self, battery: object, read: int | None) -> None:
        reader = decoder([sourced("sensors/x")], mappings(CONTACT))
        (message,) = hear(reader, "sensors/x", json.dumps({"open": True, "battery": battery}))
        assert (message.kind, message.body().get("battery_pct")) == ("door.opened", read)

    @pytest.mark.parametrize(
        ("payload", "kind"),
        [("{}", "device.heartbeat"), ('{"tamper": true}', "device.tampered"), ('{"tamper": false}', "device.restored"),
         ('{"battery": 7}', "device.heartbeat"), ('{"low": true}', "device.battery_low")],
    )  # fmt: skip
    def test_a_message_without_the_door_still_speaks_of_the_device(self, payload: str, kind: str) -> None:
        reader = decoder([sourced("sensors/x")], mappings(CONTACT))
        assert kind in [each.kind for each in hear(reader, "sensors/x", payload)]

    def test_elements_that_do_not_count_are_left_out(self) -> None:
        text = """
id: lines
match: {topic: lines}
each: "lines[*]"
where: {name: [fw]}
capture: {line: id}
source: lines/{line}
emit: door.position
value: {path: value, as: int, map: {0: closed, 1: open}}
"""
        reader = decoder([sourced("lines/1", "lines/2")], mappings(text))
        payload = '{"lines": [{"id": 1, "name": "fw", "value": 1}, {"id": 2, "name": "bw", "value": 1}]}'
        assert told(hear(reader, "lines", payload)) == [("door.opened", "door-0")]

    def test_a_device_without_a_name_is_refused(self) -> None:
        text = CONTACT.replace("source: sensors/{device}", "capture: {serial: info.serial}\nsource: sensors/{serial}")
        reader = decoder([sourced("sensors/7")], mappings(text))
        assert told(hear(reader, "sensors/x", '{"open": true, "info": {"serial": 7}}')) == [("door.opened", "door-0")]
        assert "does not say its name" in refusal(reader, "sensors/x", '{"open": true}')

    def test_the_senders_own_key_identifies_a_message(self) -> None:
        text = CONTACT + "dedupe: {keys: [device, event]}\n"
        reader = decoder([sourced("sensors/x")], mappings(text))
        (message,) = hear(reader, "sensors/x", '{"open": true, "device": 405419896, "event": 50}')
        assert (message.message_id, message.identified) == ("405419896|50", True)
        (bare,) = hear(reader, "sensors/x", '{"open": true, "device": 405419896}')
        assert not bare.identified

    def test_a_side_value_may_be_scaled_and_translated(self) -> None:
        text = CONTACT.replace("battery_pct: battery", "battery_pct: {path: volts, as: float, scale: 25}").replace(
            "tamper: tamper", "tamper: {path: [case, lid], as: str_ci, map: {off: true, on: false}}"
        )
        reader = decoder([sourced("sensors/x")], mappings(text))
        opened, tampered = hear(reader, "sensors/x", '{"open": true, "volts": "3.0", "lid": "OFF"}')
        assert opened.body() == {
            "position": "open", "door": "door-0", "device": "door-0", "battery_pct": 75, "tamper": True,
        }  # fmt: skip
        assert tampered.kind == "device.tampered"


COUNTER = """
id: counter
match: {topic: "count/{device}"}
each: "line_{line:*}_{way:*}"
source: count/{device}/{line}
emit: attendance.count
counter: {kind: period, direction: {by: way}}
dedupe: {keys: [$.id]}
time: {path: $.at, formats: [iso]}
"""
HOOK = """
id: hook
match: {topic: hooks/acme}
auth: {hmac: {header: X-Signature}}
source: acme/{door}
capture: {door: door}
emit: door.access
value: {path: granted, as: bool, map: {true: granted, false: denied}}
drop: [holder]
"""


@pytest.mark.parametrize(
    ("text", "change", "where", "words"),
    [
        (COUNTER, ("counter: {kind: period, direction: {by: way}}\n", ""), "counter", "is required"),
        (COUNTER, ("emit: attendance.count", "emit: door.position"), "counter", "goes with `emit: attendance.count`"),
        (COUNTER, ("by: way", "by: direction"), "counter.direction.by", "does not take the name 'direction'"),
        (COUNTER, ("{by: way}", "{}"), "counter.direction", "in, out, or by"),
        (COUNTER, ("direction: {by: way}", "wrap: 100"), "counter.direction", "every other counter has one"),
        (COUNTER, ("kind: period", "kind: gauge"), "counter.direction", "a gauge has no direction"),
        (COUNTER, ("kind: period", "kind: period, wrap: 100"), "counter.wrap", "only a cumulative total"),
        (COUNTER, ("keys: [$.id]", "unchanged: true"), "dedupe.unchanged", "as many heads again"),
        (COUNTER, ("keys: [$.id]", "window: 1h"), "dedupe", "says keys"),
        (COUNTER, ("keys: [$.id]", "keys: [$.id], window: 7d"), "dedupe.window", "from 1s to 24h"),
        (COUNTER, ("path: $.at", "zone: UTC"), "time", "one of path and interval"),
        (COUNTER, ("path: $.at", "path: $.at, interval: {from: a, to: b}"), "time", "one of path and interval"),
        (COUNTER, ("formats: [iso]", 'formats: ["%H:%M"]'), "time.formats[0]", "year, month and day"),
        (COUNTER, ("formats: [iso]", "formats: [iso], zones: {PDT: west}"), "time.zones.PDT", "-07:00"),
        (COUNTER, ("each: ", "value: {path: x}\neach: "), "value", "a counter has none"),
        (HOOK, ("auth: {hmac: {header: X-Signature}}\n", ""), "auth", "taken from anybody"),
        (HOOK, ("{hmac: {header: X-Signature}}", "{}"), "auth", "one of hmac and token"),
        (HOOK, ("X-Signature}", 'X-Signature, signed: "{timestamp}{body}"}'), "auth.hmac", "where it stands"),
        (HOOK, ("hooks/acme", '"hooks/{name}"'), "match.topic[0]", "a plain name"),
        (HOOK, ("topic: hooks/acme", "topic: [hooks/acme, acme/x]"), "match.topic", "different things"),
        (HOOK, ("hooks/acme", "acme/hook"), "auth", "what a broker delivers"),
        (HOOK, ("drop: [holder]", "drop: [granted]"), "drop", "is used by this mapping"),
        (HOOK, ("drop: [holder]", 'drop: ["a[0]"]'), "drop[0]", "does not end in a key"),
        (HOOK, ("drop: [holder]", "decode: text\ndrop: [holder]"), "drop", "needs `decode: json`"),
        (HOOK, ("drop: [holder]", "gateway_of: acme"), "gateway_of", "tells device.kind"),
        (HOOK, ("drop: [holder]", "dedupe: {unchanged: true}"), "dedupe.unchanged", "tells events"),
        (HOOK, ("path: granted", "anew: true, path: granted"), "value.anew", "is for door.position"),
    ],
)
def test_what_is_wrong_with_the_rest_of_the_language_is_said_too(
    text: str, change: tuple[str, str], where: str, words: str
) -> None:
    changed = text.replace(*change)
    assert changed != text
    with pytest.raises(BadInput) as wrong:
        mappings(changed)
    assert words in str([each.message for each in wrong.value.problems if each.where == where])


def test_these_are_right() -> None:
    for text in (COUNTER, HOOK, CONTACT):
        assert mappings(text)


def test_a_source_may_have_another_name() -> None:
    found = mappings(CONTACT + "alias: {sensors/0x00158d: gym-east}")
    campus = sourced("gym-east")
    assert told(hear(decoder([campus], found), "sensors/0x00158d", '{"open": true}')) == [("door.opened", "door-0")]
    assert found[0].names("gym-east")


def test_copies_that_the_broker_keeps_may_be_left_out() -> None:
    reader = decoder([sourced("sensors/x")], mappings(CONTACT + "retained: ignore"))
    assert hear(reader, "sensors/x", '{"open": true}', retained=True) == []
    assert told(hear(reader, "sensors/x", '{"open": true}')) == [("door.opened", "door-0")]


def test_a_payload_that_a_mapping_excludes_is_anothers() -> None:
    picky = CONTACT.replace('"sensors/{device}"', '"sensors/{device}", unless: {kind: [lamp]}')
    reader = decoder([sourced("sensors/x")], mappings(picky))
    assert told(hear(reader, "sensors/x", '{"open": true, "kind": "door"}')) == [("door.opened", "door-0")]
    assert "no mapping of this topic knows" in refusal(reader, "sensors/x", '{"open": true, "kind": "lamp"}')


def test_more_readings_than_a_device_can_have_are_refused() -> None:
    many = CONTACT.replace("source: sensors/{device}", 'each: "[*]"\nsource: sensors/{device}')
    said = refusal(decoder([sourced("sensors/x")], mappings(many)), "sensors/x", json.dumps([{"open": True}] * 501))
    assert said == "invalid_field: more than 500 readings in one payload"


def test_what_happened_too_long_ago_is_a_recording() -> None:
    strict = CONTACT.replace("formats: [iso, epoch_ms]", "formats: iso, refuse_after: 1h")
    reader = decoder([sourced("sensors/x")], mappings(strict))
    assert hear(reader, "sensors/x", '{"open": true, "time": "2026-11-24T13:30:00Z"}')
    said = refusal(reader, "sensors/x", '{"open": true, "time": "2026-11-24T12:30:00Z"}')
    assert said == 'invalid_field: time: "2026-11-24T12:30:00Z" is more than 1h ago'


def test_a_device_that_never_says_closed_opens_anew_each_time() -> None:
    text = CONTACT.replace("path: open, map: {true: open, false: closed}, missing: skip", "always: open, anew: true")
    reader, world = decoder([sourced("sensors/x")], mappings(text)), World(sourced("sensors/x"))
    edges = [(message.kind, world.apply(message)) for _ in range(2) for message in hear(reader, "sensors/x", "{}")]
    assert edges == [("door.closed", False), ("door.opened", True)] * 2
