"""The fence around a caller who may know of some campuses only: every row with a campus is looked for inside it.

It stands at the sessions of a request rather than in each query, so that no query can forget it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria

from core.database import Base
from core.registry import ReferenceRow

Scope = Callable[[], frozenset[str] | None]
UNFENCED = frozenset((ReferenceRow,))
"""Read by the campus's id alone, which the path is asked about; its revision counts for all campuses together."""


def fence(session: AsyncSession, scope: Scope) -> None:
    """Let a session see, change and delete rows of the campuses in scope only. The scope is asked at each statement."""

    @event.listens_for(session.sync_session, "do_orm_execute")
    def _inside(state: ORMExecuteState) -> None:
        campuses = scope()
        if campuses is None or not (state.is_select or state.is_update or state.is_delete):
            return
        inside = sorted(campuses)
        limits = [with_loader_criteria(row, row.campus.in_(inside), include_aliases=True) for row in _rows()]  # type: ignore[attr-defined] # chosen for having it
        state.statement = state.statement.options(*limits)


@cache
def _rows() -> tuple[type[Base], ...]:
    mapped = [mapper.class_ for mapper in Base.registry.mappers if "campus" in mapper.columns]
    return tuple(row for row in mapped if row not in UNFENCED)
