"""Recorded messages (`MESSAGES.jsonl`): read whole before anything is printed, then run through the live engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from core.campus import Campus
from core.errors import BadInput, Problem
from core.findings import Finding
from core.messages import Heard, Message
from core.wire import Refused, read_instant
from ingest.decode import Decoder
from ingest.mapping import Mapping
from rules.replay import replay
from rules.rule import Rule

MAX_PROBLEMS = 20
PSEUDONYM_KEY = b"a recording that is played back"
"""No secret: a pseudonym made with it is never kept, and the same recording must give the same findings."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what was heard at `rx`, or only that time went on to `rx`."""

    rx: datetime
    heard: Heard | None
    number: int


def read(path: Path) -> list[Line]:
    """Return the lines; BadInput names each line that is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput([Problem(f"cannot be read: {error.strerror}", file=str(path))]) from None
    return parse(raw.splitlines(), str(path))


def parse(raw: Iterable[bytes], file: str = "") -> list[Line]:
    """Return what the lines of a recording mean; BadInput names each that is wrong."""
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, text in enumerate(raw, 1):
        if not text.strip():
            continue
        try:
            line = _line(text, number)
            if lines and line.rx < lines[-1].rx:
                raise BadInput("rx: goes back in time; lines stand in order of receipt")
            lines.append(line)
        except BadInput as bad:
            problems += [Problem(p.message, file=file, line=number) for p in bad.problems]
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise BadInput(problems)
    return lines


def _line(text: bytes, number: int) -> Line:
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadInput("is not JSON") from None
    if not isinstance(said, dict) or "rx" not in said:
        raise BadInput('needs to be an object with "rx"')
    unknown = said.keys() - {"rx", "topic", "payload", "retain"}
    if unknown:
        raise BadInput(f"{sorted(unknown)[0]}: no such key; there are rx, topic, payload, retain")
    try:
        rx = read_instant(said["rx"])
    except Refused:
        rx = None
    if rx is None:
        raise BadInput("rx: must be a time like 2026-11-24T14:00:00Z")
    if "topic" not in said:
        if "payload" in said:
            raise BadInput("topic: is required beside a payload")
        return Line(rx, None, number)
    return Line(rx, _heard(said), number)


def _heard(said: dict[str, Any]) -> Heard:
    topic, payload, retain = said["topic"], said.get("payload"), said.get("retain", False)
    if not isinstance(topic, str):
        raise BadInput("topic: must be text")
    if not isinstance(retain, bool):
        raise BadInput("retain: must be true or false")
    if not isinstance(payload, dict | list | str | int | float | bool):
        raise BadInput("payload: must be an object or a text")
    body = payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)
    return Heard(topic, body, retained=retain)


def prefix_of(lines: Sequence[Line], campus: Campus) -> str:
    """Return the topic prefix the recording was made under, which stands before the campus's id."""
    for line in lines:
        before, found, _ = line.heard.topic.partition(f"/{campus.id}/") if line.heard else ("", "", "")
        if found:
            return before.removeprefix("trial/")
    return "campus"


def findings(
    lines: Sequence[Line],
    campus: Campus,
    rules: Sequence[Rule],
    mappings: Sequence[Mapping],
    *,
    lateness: timedelta = timedelta(seconds=1),
    unread: list[tuple[int, str]] | None = None,
) -> Iterator[Finding]:
    """Yield what the live engine finds in a recording; what cannot be read is noted in `unread` (line, reason)."""
    yield from replay(
        campus, rules, items(lines, campus, mappings, lateness=lateness, unread=unread), lateness=lateness
    )


def items(
    lines: Sequence[Line],
    campus: Campus,
    mappings: Sequence[Mapping],
    *,
    lateness: timedelta,
    unread: list[tuple[int, str]] | None = None,
) -> Iterator[Message | datetime]:
    """Yield what the lines hold as the engine takes it: messages, repeats left out, and instants time went on to."""
    prefix = prefix_of(lines, campus)
    decoder = Decoder([campus], mappings, prefix=prefix, lateness=lateness, pseudonym_key=PSEUDONYM_KEY)
    seen: set[tuple[str, str, int]] = set()
    for line in lines:
        if line.heard is None:
            yield line.rx
            continue
        try:
            messages = decoder.decode(line.heard, line.rx)
        except Refused as refused:
            if unread is not None:
                unread.append((line.number, refused.reason))
            yield line.rx
            continue
        for message in messages:
            mark = (message.source, message.message_id, message.part)
            if mark not in seen or not message.identified:
                seen.add(mark)
                yield message
