"""The people of a scenario against a running service: their answers, through its API, in the name of a token.

What it may do: answer alerts that this very run has raised, of its own kind (a test answers no drill, neither
anything live). What it does not: keep things quiet, unless it plays live, because real alerts would fall silent too;
and restart a service, which nobody can from outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from app.asking import Api
from core.clock import Clock
from core.errors import BadInput, HallwatchError, Problem
from core.messages import Exercise
from simulators.deeds import Answer, Close, Deed, Hush

PATIENCE_S: Final = 5.0
"""So long an alert may take to come before whoever answers it gives up."""
LOOK_S: Final = 0.5
PATHS: Final = {"acknowledge": "ack", "on_scene": "on-scene", "resolve": "resolve"}


async def require(deeds: Sequence[tuple[datetime, Deed]], api: Api, exercise: Exercise) -> None:
    """Raise BadInput unless what people do can be done: by this token, and without muting what is real."""
    if exercise != "live" and any(deed.suppress for _, deed in deeds):
        problem = "somebody keeps things quiet in it, and real alerts would fall silent too: only with --live"
        raise BadInput([Problem(problem, where="--expect")])
    if any(deed.restart is None for _, deed in deeds) and "answer" not in await api.may():
        problem = "people answer alerts in it; that takes a token of the role sro or admin"
        raise BadInput([Problem(problem, where="--token")])


@dataclass(slots=True)
class Cast:
    """Plays the people of one run."""

    api: Api
    clock: Clock
    campus: str
    exercise: Exercise
    say: Callable[[str], None]
    """Tells whoever watches what is done, and what is left out."""
    undone: list[str] = field(default_factory=list)
    """What could not be done, and why."""

    async def play(self, deeds: Sequence[tuple[datetime, Deed]], *, start: datetime) -> None:
        """Do everything at its moment, the first moment of the scenario being now."""
        now = self.clock.now()
        for at, deed in deeds:
            await self.clock.sleep_until(now + (at - start))
            if deed.restart is not None:
                self.say("left out: nobody can restart the service from here")
                continue
            try:
                await self._do(deed, since=now)
                self.say(str(deed))
            except HallwatchError as error:
                self.undone.append(f"{deed}: {error}")

    async def _do(self, deed: Deed, *, since: datetime) -> None:
        if deed.suppress is not None:
            await self.api.post("/api/v1/suppressions", self._hush(deed.suppress))
        elif deed.answer is not None:
            verb, about = deed.answer
            number = await self._find(about, since)
            said = {"disposition": about.disposition, "note": about.note} if isinstance(about, Close) else {}
            await self.api.post(f"/api/v1/alerts/{number}/{PATHS[verb]}", said)

    async def _find(self, about: Answer, since: datetime) -> int:
        for _ in range(int(PATIENCE_S / LOOK_S)):
            for alert in await self.api.alerts(self.campus, since):
                same = (alert["rule"], alert["key"], alert["exercise"]) == (about.rule, about.key, self.exercise)
                if same and alert["state"] == "open":
                    return int(alert["id"])
            await asyncio.sleep(LOOK_S)
        raise BadInput("there is no such open alert of this run")

    def _hush(self, asked: Hush) -> dict[str, Any]:
        return {
            "campus": self.campus,
            "kind": asked.kind,
            "rules": list(asked.rules),
            "keys": list(asked.keys),
            "until": (self.clock.now() + asked.lasts).isoformat(),
            "reason": asked.reason,
        }
