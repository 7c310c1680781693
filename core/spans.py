"""Traces: what took how long, as spans, for whoever collects them. Where nobody does, a span is nothing at all.

`app/telemetry.py` is the only file that knows OpenTelemetry. What is noted in a span leaves the house: numbers, kinds
and ids of campuses, rules and alerts may; names of people, endpoints, their URLs and what was said may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

Value = str | int | float | bool | Sequence[str] | Sequence[int]


class Span(Protocol):
    """One stretch of work."""

    def note(self, **facts: Value | None) -> None:
        """Add what is known about it; what is None is left out."""

    def rename(self, name: str) -> None:
        """Call it something else than it began as."""

    def fail(self, why: str) -> None:
        """Say that it did not come to a good end; `why` must name nobody."""


class Spans(Protocol):
    """Makes spans. Those made inside of another belong to it."""

    def span(self, name: str, **facts: Value | None) -> AbstractContextManager[Span]:
        """Begin a span, and end it with the block; an exception that leaves the block fails it by its type alone."""

    def close(self) -> None:
        """Hand over what is still here."""


class _Silent:
    """Nobody collects: the span, and who makes it."""

    def span(self, name: str, **facts: Value | None) -> AbstractContextManager[Span]:
        return _NO_SPAN

    def note(self, **facts: Value | None) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, why: str) -> None:
        pass

    def close(self) -> None:
        pass


SILENT: Final = _Silent()
"""Makes spans that are nothing."""
_NO_SPAN: Final[AbstractContextManager[Span]] = nullcontext(SILENT)
