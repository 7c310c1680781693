"""The people who sign in: made, changed and switched off by an administrator."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api import access, sessions, users
from api.account_schemas import UserChange, UserSaid, UserShown
from api.deps import Administrator, Now, Reading, Writing
from api.etags import IfMatch, must_match, tag_of
from api.listing import AfterId, Limit, Number, Page, piece
from api.schemas import ProblemDetails
from api.users import UserRow
from core import audit
from core.errors import BadInput, Problem

router = APIRouter(tags=["users"])
_EDIT: dict[int | str, dict[str, Any]] = {
    412: {"model": ProblemDetails, "description": "`If-Match` names another state than the present one"}
}


@router.get("/users")
async def list_users(session: Reading, _caller: Administrator, after: AfterId, limit: Limit = 100) -> Page[UserShown]:
    """Return the users, the newest first, those switched off included."""
    rows = await users.find(session, before_id=after, limit=limit + 1)
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(items=[_shown(row) for row in shown], next=following)


@router.post("/users", status_code=201)
async def make_user(session: Writing, caller: Administrator, now: Now, said: UserSaid, answer: Response) -> UserShown:
    """Make a user."""
    row = await users.add(
        session, name=said.name, role=said.role, password=said.password, campuses=said.campuses, now=now
    )
    detail = {"name": row.name, "role": row.role, "campuses": row.campuses}
    await audit.record(session, at=now, actor=caller.actor, action="user.add", subject=f"user:{row.id}", detail=detail)
    answer.headers["ETag"] = _tag(row)
    return _shown(row)


@router.get("/users/{number}")
async def show_user(session: Reading, _caller: Administrator, number: Number, answer: Response) -> UserShown:
    """Return one user."""
    row = await users.get(session, number)
    answer.headers["ETag"] = _tag(row)
    return _shown(row)


@router.patch("/users/{number}", responses=_EDIT)
async def change_user(
    session: Writing,
    caller: Administrator,
    now: Now,
    number: Number,
    said: UserChange,
    answer: Response,
    if_match: IfMatch = None,
) -> UserShown:
    """Change a user. A new password, or being switched off, ends the user's sessions."""
    row = await users.get(session, number)
    must_match(if_match, _state(row))
    changed = sorted(said.model_fields_set)
    await _apply(session, row, said, now)
    await audit.record(
        session,
        at=now,
        actor=caller.actor,
        action="user.change",
        subject=f"user:{row.id}",
        detail={"name": row.name, "changed": changed, "role": row.role, "campuses": row.campuses},
    )
    answer.headers["ETag"] = _tag(row)
    return _shown(row)


async def _apply(session: Writing, row: UserRow, said: UserChange, now: Now) -> None:
    if said.campuses is not None and said.all_campuses:
        raise BadInput([Problem("say either some, or all_campuses", "campuses")])
    if said.disabled or (said.role not in (None, "admin")) or said.campuses is not None:
        await users.must_leave_an_administrator(session, row)
    if said.role is not None:
        row.role = said.role
    if said.campuses is not None or said.all_campuses:
        row.campuses = None if said.campuses is None else sorted(said.campuses)
    if said.disabled is not None:
        row.disabled_at = (row.disabled_at or now) if said.disabled else None
    if said.totp == "off":
        row.totp = None
    if said.password is not None:
        await users.set_password(row, said.password)
    if said.disabled or said.password is not None:
        await sessions.end_all(session, "user", row.id, now)
    await session.flush()


@router.delete("/users/{number}", status_code=204, responses=_EDIT)
async def switch_off_user(
    session: Writing, caller: Administrator, now: Now, number: Number, if_match: IfMatch = None
) -> None:
    """Switch a user off. The row stays: the record of who did what names it."""
    row = await users.get(session, number)
    must_match(if_match, _state(row))
    await _apply(session, row, UserChange(disabled=True), now)
    await audit.record(
        session,
        at=now,
        actor=caller.actor,
        action="user.disable",
        subject=f"user:{row.id}",
        detail={"name": row.name},
    )


def _state(row: UserRow) -> dict[str, Any]:
    shown = _shown(row).model_dump(mode="json", exclude={"last_used_at"})
    return {**shown, "epoch": row.epoch}


def _tag(row: UserRow) -> str:
    return tag_of(_state(row))


def _shown(row: UserRow) -> UserShown:
    return UserShown(
        id=row.id,
        name=row.name,
        role=access.known_role(row.role),
        campuses=row.campuses,
        has_password=row.password is not None,
        has_totp=row.totp is not None,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        disabled_at=row.disabled_at,
    )
