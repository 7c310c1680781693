"""Takes private details out of what a rule read: the reasons of an alert, the account of why it fired or did not.

That there is an alert everybody may know who sees alerts; what the watch list says of somebody, only those who see it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from api.private import HIDDEN, VISIT_DETAILS, is_private, without_details

_READS: Final = re.compile(rf"\.(?:{'|'.join(VISIT_DETAILS)})\b")
"""A path that leads to a private detail of a visit: `visit.watch`, `msg.screening`."""
_NOTHING: Final = (None, "")


def reads_details(text: str) -> bool:
    """Return whether a condition, or a template of words, reads private details."""
    return _READS.search(text) is not None


def veiled(value: Any) -> Any:
    """Return reasons (`because`) or an account (`why`) with the private values masked; all else stays as it is."""
    if isinstance(value, Mapping):
        hidden = {"value": HIDDEN, "trace": []} if _is_telling(value) else {}
        return {name: _field(name, each) for name, each in {**value, **hidden}.items()}
    if isinstance(value, list | tuple):
        return [veiled(each) for each in value]
    return _line(value) if isinstance(value, str) else value


def veiled_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message (`kind`, `body`) without its private details, where it has any."""
    private = is_private(message["body"], message["kind"])
    return {**message, "body": without_details(message["body"])} if private else dict(message)


def _field(name: str, value: Any) -> Any:
    return HIDDEN if reads_details(name) and value not in _NOTHING else veiled(value)


def _is_telling(condition: Mapping[str, Any]) -> bool:
    """Return whether this is a condition whose worth says what is hidden."""
    return "readings" in condition and reads_details(str(condition.get("text", "")))


def _line(text: str) -> str:
    """Return a line of an account (`visit.watch is custody; …`) without what private readings came to."""
    return "; ".join(_clause(each) for each in text.split("; ")) if reads_details(text) else text


def _clause(text: str) -> str:
    condition, said, _ = text.partition(" is ")
    return f"{condition} is {HIDDEN}" if said and reads_details(text) else text
