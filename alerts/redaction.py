"""Takes out of a record whatever says who somebody is: people become numbers, what was written freely is withheld."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from alerts.alert import SERVICE
from core.campus import Campus

WITHHELD: Final = "[withheld]"
_OURS: Final = frozenset(
    (
        "repeated",
        "escalated",
        "cleared",
        "notify",
        "acknowledged",
        "on_scene",
        "known",
        "help",
        "policy",
        "coverage_gap",
        "exercise",
        "restarted",
        "self-test",
        "handover",
        "unsuppressed",
        "stale",
        "flood",
        "digest",
    )
)
"""Lines of a timeline whose words are the service's own. Of any other, somebody may have written them."""
_QUOTING: Final = ("opened", "suppressed", "closed", "reopened")
"""Lines which end with what somebody wrote; it stands in their data, too, as `said`."""
_WHO: Final = ("who", "actor", "acknowledged_by", "on_scene_by", "closed_by", "person", "to")
_NEVER: Final = ("body", "phone", "note", "said")
_CONFIGURED: Final = ("rule", "policy")


def redact(data: Mapping[str, Any], campus: Campus | None) -> dict[str, Any]:
    """Return a record (see `alerts.evidence`) that names nobody. The same person has the same number throughout."""
    found: dict[str, None] = {}
    _collect(data, found)
    found.pop(SERVICE, None)
    words = {who: f"person {number}" for number, who in enumerate(found, 1)}
    for person in campus.people if campus else ():
        words[person.name] = words.setdefault(person.id, f"person {len(words) + 1}")
        words |= {person.phone: WITHHELD} if person.phone else {}
    for entry in campus.watch_list if campus else ():
        words |= dict.fromkeys((entry.name, *entry.aliases), WITHHELD)
    blackout = _Blackout(words, _quoted(data))
    return {name: blackout.names(each) if name in _CONFIGURED else blackout.clean(each) for name, each in data.items()}


class _Blackout:
    def __init__(self, words: Mapping[str, str], quoted: Collection[str]) -> None:
        self._words = words
        self._endings = tuple(f": {each}" for each in sorted(quoted, key=len, reverse=True))
        either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)") if either else None

    def names(self, value: Any) -> Any:
        """Return a value without names."""
        if isinstance(value, Mapping):
            return {name: self.names(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.names(each) for each in value]
        if not isinstance(value, str) or self._pattern is None:
            return value
        return self._pattern.sub(lambda match: self._words[match[0]], value)

    def clean(self, value: Any) -> Any:
        """Return a value without names, and without what was written freely."""
        if isinstance(value, Mapping):
            return {name: self._field(name, each, value) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(each) for each in value]
        return self.names(value)

    def _field(self, name: str, value: Any, around: Mapping[str, Any]) -> Any:
        if value and (name in _NEVER or (name in ("text", "reason") and _by_hand(around))):
            return WITHHELD
        if name in ("text", "reason", "words") and isinstance(value, str):
            return self.names(self._unquoted(value))
        if name == "data" and "event" in around and not _by_hand(around):
            return {each: WITHHELD if one and each in _NEVER else self.names(one) for each, one in value.items()}
        if name == "values" and isinstance(value, Mapping):
            kept = {each: one for each, one in value.items() if not each.startswith(("visit", "msg"))}
            return self.clean(kept)
        return self.clean(value)

    def _unquoted(self, text: str) -> str:
        ending = next((each for each in self._endings if text.endswith(each)), None)
        return f"{text.removesuffix(ending)}: {WITHHELD}" if ending else text


def _by_hand(around: Mapping[str, Any]) -> bool:
    """Return whether what stands here may have been written by a person: not in an alert, nor in a delivery."""
    if "event" in around:
        event, said = around["event"], around.get("data") or {}
        return event not in _OURS and not (event in _QUOTING and ("said" in said or around.get("who") == SERVICE))
    return "title" not in around and "endpoint" not in around


def _quoted(data: Mapping[str, Any]) -> set[str]:
    """Return what people wrote that lines of the timeline quote."""
    said = ((line.get("data") or {}).get("said") for line in data.get("timeline", ()))
    return {each for each in said if isinstance(each, str) and each}


def _collect(value: Any, found: dict[str, None]) -> None:
    """Collect who acted or was told, wherever in a record."""
    if isinstance(value, list | tuple):
        for each in value:
            _collect(each, found)
    if not isinstance(value, Mapping):
        return
    for name, each in value.items():
        if name in _WHO and isinstance(each, str) and each:
            found.setdefault(_bare(each))
        elif name == "people" and isinstance(each, list):
            found |= dict.fromkeys(str(person) for person in each)
        else:
            _collect(each, found)


def _bare(who: str) -> str:
    return who.removeprefix("person:").removeprefix("user:").removeprefix("token:")
