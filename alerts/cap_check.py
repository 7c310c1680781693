"""Checks a CAP 1.2 message against the standard's own list of elements: order, number, values, and what needs what.

Written from the data dictionary of the standard (section 3.2); where it is stricter than the XML schema, so are we.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from alerts.cap import NAMESPACE
from core.errors import Problem

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
_WORD: Final = re.compile(r"[^\s,<&]+")
_NUMBER: Final = r"-?\d+(\.\d+)?"
_PAIR: Final = f"{_NUMBER},{_NUMBER}"


@dataclass(frozen=True, slots=True)
class Element:
    """One element: how often it may stand there, and what it may say."""

    name: str
    least: int = 0
    most: int | None = 1
    values: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    children: tuple[Element, ...] = ()


def _pairs(name: str) -> Element:
    return Element(name, most=None, children=(Element("valueName", 1), Element("value", 1)))


_AREA: Final = Element(
    "area",
    most=None,
    children=(
        Element("areaDesc", 1),
        Element("polygon", most=None, pattern=re.compile(rf"{_PAIR}( {_PAIR}){{3,}}")),
        Element("circle", most=None, pattern=re.compile(rf"{_PAIR} {_NUMBER}")),
        _pairs("geocode"),
        Element("altitude", pattern=re.compile(_NUMBER)),
        Element("ceiling", pattern=re.compile(_NUMBER)),
    ),
)
_RESOURCE: Final = Element(
    "resource",
    most=None,
    children=(
        Element("resourceDesc", 1),
        Element("mimeType", 1),
        Element("size", pattern=re.compile(r"\d+")),
        Element("uri"),
        Element("derefUri"),
        Element("digest"),
    ),
)
_INFO: Final = Element(
    "info",
    most=None,
    children=(
        Element("language", pattern=re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")),
        Element(
            "category",
            1,
            None,
            (
                "Geo",
                "Met",
                "Safety",
                "Security",
                "Rescue",
                "Fire",
                "Health",
                "Env",
                "Transport",
                "Infra",
                "CBRNE",
                "Other",
            ),
        ),
        Element("event", 1),
        Element(
            "responseType",
            most=None,
            values=("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"),
        ),
        Element("urgency", 1, values=("Immediate", "Expected", "Future", "Past", "Unknown")),
        Element("severity", 1, values=("Extreme", "Severe", "Moderate", "Minor", "Unknown")),
        Element("certainty", 1, values=("Observed", "Likely", "Possible", "Unlikely", "Unknown")),
        Element("audience"),
        _pairs("eventCode"),
        Element("effective", pattern=_MOMENT),
        Element("onset", pattern=_MOMENT),
        Element("expires", pattern=_MOMENT),
        Element("senderName"),
        Element("headline"),
        Element("description"),
        Element("instruction"),
        Element("web", pattern=re.compile(r"[a-z][a-z0-9+.-]*:.+")),
        Element("contact"),
        _pairs("parameter"),
        _RESOURCE,
        _AREA,
    ),
)
ALERT: Final = Element(
    "alert",
    1,
    children=(
        Element("identifier", 1, pattern=_WORD),
        Element("sender", 1, pattern=_WORD),
        Element("sent", 1, pattern=_MOMENT),
        Element("status", 1, values=("Actual", "Exercise", "System", "Test", "Draft")),
        Element("msgType", 1, values=("Alert", "Update", "Cancel", "Ack", "Error")),
        Element("source"),
        Element("scope", 1, values=("Public", "Restricted", "Private")),
        Element("restriction"),
        Element("addresses"),
        Element("code", most=None),
        Element("note"),
        Element("references", pattern=re.compile(r"[^\s,]+,[^\s,]+,[^\s,]+( [^\s,]+,[^\s,]+,[^\s,]+)*")),
        Element("incidents"),
        _INFO,
    ),
)


def check(written: bytes) -> list[Problem]:
    """Return what is wrong with a message; nothing if it is CAP 1.2."""
    try:
        root = ElementTree.fromstring(written)  # noqa: S314 - our own words, never a stranger's
    except ElementTree.ParseError as error:
        return [Problem(f"is no XML: {error}")]
    if root.tag != f"{{{NAMESPACE}}}alert":
        return [Problem(f"the root is {root.tag}, not alert of {NAMESPACE}")]
    return [*_children(root, ALERT, "alert"), *_conditions(root)]


def _children(parent: ElementTree.Element, rule: Element, where: str) -> list[Problem]:
    found: list[Problem] = []
    known = {child.name: child for child in rule.children}
    place = {child.name: number for number, child in enumerate(rule.children)}
    names = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in parent]
    found += [Problem("is not known here", f"{where}/{name}") for name in names if name not in known]
    order = [place[name] for name in names if name in place]
    if order != sorted(order):
        found.append(Problem(f"the elements stand in another order than the standard's: {', '.join(names)}", where))
    for child in rule.children:
        count = names.count(child.name)
        if count < child.least:
            found.append(Problem("is missing", f"{where}/{child.name}"))
        if child.most is not None and count > child.most:
            found.append(Problem(f"stands there {count} times", f"{where}/{child.name}"))
    for element, name in zip(parent, names, strict=True):
        if name in known:
            found += _one(element, known[name], f"{where}/{name}")
    return found


def _one(element: ElementTree.Element, rule: Element, where: str) -> list[Problem]:
    if rule.children:
        return _children(element, rule, where)
    text = (element.text or "").strip()
    if not text:
        return [Problem("is empty", where)]
    if rule.values and text not in rule.values:
        return [Problem(f"says {text!r}; it must be one of {', '.join(rule.values)}", where)]
    if rule.pattern and not rule.pattern.fullmatch(text):
        return [Problem(f"says {text!r}, which is not of its form", where)]
    return []


def _conditions(root: ElementTree.Element) -> list[Problem]:
    def say(name: str) -> str:
        return root.findtext(f"{{{NAMESPACE}}}{name}", "")

    found: list[Problem] = []
    if say("scope") == "Restricted" and not say("restriction"):
        found.append(Problem("is needed where the scope is Restricted", "alert/restriction"))
    if say("scope") == "Private" and not say("addresses"):
        found.append(Problem("are needed where the scope is Private", "alert/addresses"))
    if say("msgType") in ("Update", "Cancel", "Ack", "Error") and not say("references"):
        found.append(Problem(f"are needed in a message of type {say('msgType')}", "alert/references"))
    if say("msgType") in ("Alert", "Update", "Cancel") and root.find(f"{{{NAMESPACE}}}info") is None:
        found.append(Problem(f"is needed in a message of type {say('msgType')}", "alert/info"))
    if say("status") == "Exercise" and not say("note"):
        found.append(Problem("is needed to say what is exercised", "alert/note"))
    return found
