"""The five actions of the Standard Response Protocol, as a rule may suggest one: words and a short checklist.

It is a suggestion. What a campus does, a person decides.
"""

from __future__ import annotations

from typing import Final

from core.findings import Srp

WORDS: Final[dict[Srp, str]] = {
    "hold": "Hold: clear the halls, stay in rooms",
    "secure": "Secure: everybody inside, outside doors locked",
    "lockdown": "Lockdown: locks, lights, out of sight",
    "evacuate": "Evacuate: leave the building",
    "shelter": "Shelter: take shelter",
}
CHECKLIST: Final[dict[Srp, tuple[str, ...]]] = {
    "hold": (
        "Announce it, and that the halls are to be cleared.",
        "Close the room doors, take the roll, go on with the lesson.",
        "Announce the end.",
    ),
    "secure": (
        "Announce it, and bring everybody inside.",
        "Have every outside door locked, and looked at.",
        "Take the roll; go on inside; nobody leaves until the end is announced.",
    ),
    "lockdown": (
        "Announce it, and call 911.",
        "Lock the rooms, lights out, everybody out of sight and silent.",
        "Open to nobody; whoever may end it unlocks from outside.",
    ),
    "evacuate": (
        "Announce it, and where to go.",
        "Everybody leaves by the safest way; take the roll there.",
        "Say who is missing.",
    ),
    "shelter": (
        "Announce it: against what, and how.",
        "Bring everybody to where they are safe from it; take the roll.",
        "Announce the end.",
    ),
}


def suggestion(action: Srp | None) -> list[str]:
    """Return the suggestion in one line, and the checklist in those that follow; nothing where there is none."""
    return [f"Consider {WORDS[action]}. You decide.", *CHECKLIST[action]] if action else []
