"""What takes longer than a page may take: it is begun once, the page looks again until it is there.

An answer is kept for a few minutes, so that whoever comes back, or a second one who asks the same, has it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Generic, TypeVar

import structlog
from fastapi import Depends, Request

from core.errors import HallwatchError, Unavailable

T = TypeVar("T")
log = structlog.get_logger("api")
KEPT: Final = timedelta(minutes=5)
MOST: Final = 100
"""So many answers are kept."""
LOOKS_AGAIN: Final = "X-Looks-Again"
"""Sent by the script where a page is fetched anew without anybody having asked for it."""


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """Something that was asked for. Neither `answer` nor `trouble`: it is being worked out."""

    since: datetime
    answer: T | None = None
    trouble: str = ""
    """Why there is no answer, in words; the next one who asks begins anew."""

    @property
    def is_under_way(self) -> bool:
        """Whether it is worth looking again."""
        return self.answer is None and not self.trouble


@dataclass(slots=True)
class _Bench:
    since: datetime
    answer: Any = None
    error: HallwatchError | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Workshop:
    """Works things out beside the pages."""

    def __init__(self) -> None:
        self._benches: dict[Hashable, _Bench] = {}

    def ask(self, what: Hashable, work: Callable[[], Awaitable[T]], now: datetime, *, begins: bool = True) -> Work[T]:
        """Return how far something is, beginning it where nobody has asked for it lately (unless not `begins`).

        Raises what the work has raised, unless that only means: not now.
        """
        self._clear(now)
        bench = self._benches.get(what)
        if bench is None and not begins:
            return Work(now, trouble="what was worked out is not kept any more; ask again")
        if bench is None:
            bench = self._benches[what] = _Bench(now)
            bench.task = asyncio.create_task(_carry_out(bench, work))
        if bench.error is None:
            return Work(bench.since, bench.answer)
        del self._benches[what]
        if isinstance(bench.error, Unavailable):
            return Work(bench.since, trouble=str(bench.error))
        raise bench.error

    def _clear(self, now: datetime) -> None:
        done = [what for what, bench in self._benches.items() if bench.task is not None and bench.task.done()]
        late = [what for what in done if now - self._benches[what].since > KEPT]
        for what in late or done[: max(0, len(self._benches) - MOST)]:
            del self._benches[what]


async def _carry_out(bench: _Bench, work: Callable[[], Awaitable[Any]]) -> None:
    try:
        bench.answer = await work()
    except HallwatchError as error:
        bench.error = error
    except Exception as error:
        log.error("working something out failed", exc_info=error)
        bench.error = Unavailable("something went wrong on the way; it was logged")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A page that asks the workshop. One that only looks again by itself begins nothing: nobody may be there."""

    workshop: Workshop
    begins: bool

    def ask(self, what: Hashable, work: Callable[[], Awaitable[T]], now: datetime) -> Work[T]:
        """Return how far something is; see `Workshop.ask`."""
        return self.workshop.ask(what, work, now, begins=self.begins)


def the_inquiry(request: Request) -> Inquiry:
    """Return this request's way to the one workshop of the service."""
    state = request.app.state
    if not hasattr(state, "workshop"):
        state.workshop = Workshop()
    return Inquiry(state.workshop, begins=LOOKS_AGAIN not in request.headers)


InWorkshop = Annotated[Inquiry, Depends(the_inquiry)]
