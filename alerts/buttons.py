"""The buttons under a notice: what its reader may answer with one thumb, as the alert stands at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from alerts.alert import Alert

Reply = Literal["ack", "on-scene", "known", "help"]
REPLIES: Final[tuple[Reply, ...]] = get_args(Reply)
LABELS: Final[dict[Reply, str]] = {
    "ack": "On it",
    "on-scene": "On scene",
    "known": "Known",
    "help": "Send help",
}


@dataclass(frozen=True, slots=True)
class Button:
    """One answer, as a message carries it: pressing it posts to the address."""

    label: str
    address: str


def offered(alert: Alert) -> tuple[Reply, ...]:
    """Return the answers that make sense now, the likeliest first; at most three, as a phone shows no more."""
    if not alert.is_open:
        return ()
    if alert.exercise == "test":
        # A test calls nobody.
        return () if alert.is_acknowledged else ("ack",)
    if alert.on_scene_by is not None:
        return ("help",)
    if alert.is_acknowledged:
        return ("on-scene", "help")
    return ("ack", "known", "help")


def buttons(alert: Alert, link: str | None) -> tuple[Button, ...]:
    """Return the buttons of a notice whose link leads to the alert's page."""
    if link is None:
        return ()
    return tuple(Button(LABELS[reply], f"{link}?reply={reply}") for reply in offered(alert))
