"""What is shown of a campus with its secrets masked, and what a mask means that comes back: leave it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.private import HIDDEN, WATCH_DETAILS
from core import registry
from core.campus import Campus
from core.errors import BadInput, Problem

_UNKNOWN: Final = "is masked, and there is none to keep: write it out"


def masked(campus: Campus, *, details: bool) -> dict[str, Any]:
    """Return a campus as its file says it; endpoint URLs are always masked, the watch list unless `details`."""
    plain = registry.to_plain(campus)
    for person in plain.get("people", ()):
        for endpoint in person.get("endpoints", ()):
            endpoint["url"] = f"{endpoint['url'].partition('://')[0]}://{HIDDEN}"
    if not details:
        plain |= {"watch_list": [masked_entry(each) for each in plain["watch_list"]]} if "watch_list" in plain else {}
    return plain


def masked_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of the watch list without who it is and what to do."""
    shown = {name: value for name, value in entry.items() if name != "aliases"}
    return shown | {name: HIDDEN for name in WATCH_DETAILS if shown.get(name)}


def unmasked(said: dict[str, Any], stored: Campus | None) -> dict[str, Any]:
    """Return what was said with every mask replaced by what is stored; BadInput where nothing is."""
    plain = {} if stored is None else registry.to_plain(stored)
    urls = {
        (person["id"], each["id"]): each["url"]
        for person in plain.get("people", ())
        for each in person.get("endpoints", ())
    }
    entries = {each["id"]: each for each in plain.get("watch_list", ())}
    problems: list[Problem] = []
    found = dict(said)
    if isinstance(said.get("people"), list):
        found["people"] = [_person(each, f"people[{i}]", urls, problems) for i, each in enumerate(said["people"])]
    if isinstance(said.get("watch_list"), list):
        found["watch_list"] = [
            _entry(each, f"watch_list[{i}]", entries, problems) for i, each in enumerate(said["watch_list"])
        ]
    if problems:
        raise BadInput(problems)
    return found


def unmasked_entry(said: dict[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an entry of the watch list with its masks replaced; BadInput where there is nothing to keep."""
    problems: list[Problem] = []
    found = _entry(said, "", {} if stored is None else {stored["id"]: stored}, problems)
    if problems:
        raise BadInput(problems)
    return dict(found)


def _person(said: Any, place: str, urls: Mapping[tuple[str, str], str], problems: list[Problem]) -> Any:
    if not isinstance(said, dict) or not isinstance(said.get("endpoints"), list):
        return said
    endpoints = []
    for index, each in enumerate(said["endpoints"]):
        if isinstance(each, dict) and str(each.get("url", "")).endswith(f"://{HIDDEN}"):
            url = urls.get((str(said.get("id")), str(each.get("id"))))
            if url is None:
                problems.append(Problem(_UNKNOWN, f"{place}.endpoints[{index}].url"))
            else:
                each = each | {"url": url}
        endpoints.append(each)
    return said | {"endpoints": endpoints}


def _entry(said: Any, place: str, stored: Mapping[str, Mapping[str, Any]], problems: list[Problem]) -> Any:
    hidden = [name for name in WATCH_DETAILS if said.get(name) == HIDDEN] if isinstance(said, dict) else []
    if not hidden:
        return said
    before = stored.get(str(said.get("id")))
    if before is None:
        problems.append(Problem(_UNKNOWN, f"{place}.{hidden[0]}".lstrip(".")))
        return said
    kept = {name: before[name] for name in (*hidden, "aliases") if name in before}
    return kept | {name: value for name, value in said.items() if name not in hidden}
