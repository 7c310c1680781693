"""The device mappings as a page shows them: whose messages each reads, what they tell, and an example of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from api.listing import piece
from ingest import store
from ingest.mapping import Mapping

SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """A message, and what comes of it."""

    topic: str
    payload: str
    gives: str
    note: str


@dataclass(frozen=True, slots=True)
class MappingLine:
    """One mapping."""

    id: str
    title: str
    origin: str
    topics: Sequence[str]
    source: str
    emit: str
    examples: Sequence[ExampleLine]


async def read(session: AsyncSession, after: str | None) -> tuple[list[MappingLine], str | None]:
    """Return the mappings in the order in which they are asked, those behind `after`, and where the next begin."""
    own = {each.id for each in await store.stored(session)}
    found = await store.in_force(session)
    place = next((place for place, each in enumerate(found, 1) if each.id == after), 0)
    shown, following = piece(found[place:], SHOWN, lambda each: each.id)
    return [_line(each, is_own=each.id in own) for each in shown], following


def _line(mapping: Mapping, *, is_own: bool) -> MappingLine:
    said = mapping.document
    return MappingLine(
        id=mapping.id,
        title=said.title,
        origin="of this site" if is_own else "ships",
        topics=list(said.match.topic),
        source=said.source or "",
        emit=said.emit,
        examples=[
            ExampleLine(each.topic, _text(each.payload), _outcome(each.gives, each.refused), each.note)
            for each in said.examples
        ],
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _outcome(gives: Sequence[dict[str, Any]], refused: str | None) -> str:
    if refused is not None:
        return f"refused: {refused}"
    if not gives:
        return "nothing"
    return "; ".join(" ".join([str(each["kind"]), *_beside(each)]) for each in gives)


def _beside(given: dict[str, Any]) -> list[str]:
    return [f"{name}={_text(value)}" for name, value in given.items() if name != "kind"]
