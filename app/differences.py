"""What is different between two documents, leaf by leaf, as one reads it: where, what it was, what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from core.registry import Change

HIDDEN: Final = "(masked)"
MOST: Final = 20
"""So many lines are told of one piece; a rule that is written anew is better read itself."""
_LONGEST: Final = 80
_SECRETS: Final = {
    "people": frozenset(("url",)),
    "watch_list": frozenset(("name", "aliases", "instruction")),
    "hook": frozenset(("secret",)),
}
"""The keys that are never printed, by the part of the campus (or the kind of document) they stand in."""
_ABSENT: Final = object()


def told(change: Change) -> str:
    """Return one line (or a few) that tell a change, secrets left out."""
    sign = {"added": "+", "changed": "~", "removed": "-"}[change.what]
    head = f"{sign} {change.part} {change.id}"
    if change.what != "changed":
        return head
    hidden = _SECRETS.get(change.part, frozenset())
    lines = [f"    {line}" for line in _lines(change.before, change.after, "", hidden)]
    more = [f"    … and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return "\n".join([head, *lines[:MOST], *more])


def _lines(before: Any, after: Any, place: str, hidden: frozenset[str]) -> Iterator[str]:
    if before == after:
        return
    if place.rpartition(".")[2].partition("[")[0] in hidden:
        yield f"{place}: {HIDDEN}"
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            where = f"{place}.{key}".lstrip(".")
            yield from _lines(before.get(key, _ABSENT), after.get(key, _ABSENT), where, hidden)
    elif _is_named(before) and _is_named(after):
        was, now = ({each["id"]: each for each in some} for some in (before, after))
        for key in (*was, *(key for key in now if key not in was)):
            yield from _lines(was.get(key, _ABSENT), now.get(key, _ABSENT), f"{place}[{key}]", hidden)
    elif before is _ABSENT:
        yield f"+ {place}: {_short(after, hidden)}"
    elif after is _ABSENT:
        yield f"- {place}: {_short(before, hidden)}"
    else:
        yield f"{place}: {_short(before, hidden)} -> {_short(after, hidden)}"


def _is_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "id" in each for each in value)


def _short(value: Any, hidden: frozenset[str]) -> str:
    plain = _masked(value, hidden)
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True, sort_keys=False)
    text = " ".join(text.strip().removesuffix("...").split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _masked(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: HIDDEN if key in hidden else _masked(each, hidden) for key, each in value.items()}
    return [_masked(each, hidden) for each in value] if isinstance(value, list | tuple) else value
