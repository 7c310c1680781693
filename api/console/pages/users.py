"""Users and tokens: made, changed, switched off. What opens a door is shown once, on the answer to its making."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from api import access, users
from api.account_schemas import UserChange, UserSaid
from api.console import accounts, forms
from api.console.frame import InFrame, done
from api.console.record import read_day
from api.deps import Administrator, Now, Reading, Writing
from api.listing import AfterId, Number, Words
from api.routes import tokens as token_routes
from api.routes import users as routes
from api.schemas import TokenSaid
from core.calendar import local_instant

router = APIRouter(include_in_schema=False)
Text = Annotated[Words, Form(max_length=1000)]
Chosen = Annotated[list[Words], Form(default_factory=list)]


@router.get("/users")
async def show_users(frame: InFrame, session: Reading, _caller: Administrator, after: AfterId) -> Response:
    """Show who signs in."""
    found, following = await accounts.read_users(session, after)
    return frame.page("users.html", users=found, following=following, after=after, roles=accounts.ROLES)


@router.post("/users")
async def make_user(
    session: Writing,
    caller: Administrator,
    now: Now,
    name: Text,
    role: Text,
    campuses: Chosen,
    password: Text = "",
) -> Response:
    """Make a user."""
    said = forms.read(UserSaid, name=name.strip(), role=role, password=password or None, campuses=campuses or None)
    made = await routes.make_user(session, caller, now, said, Response())
    return done("/users", f"{made.name} may sign in as {made.role}.")


@router.get("/users/tokens")
async def show_tokens(frame: InFrame, session: Reading, _caller: Administrator, after: AfterId) -> Response:
    """Show the tokens of programs, and of people who sign in with one."""
    found, following = await accounts.read_tokens(session, after, frame.now)
    return frame.page(
        "tokens.html", tokens=found, following=following, after=after, roles=accounts.TOKEN_ROLES, made=None
    )


@router.post("/users/tokens")
async def make_token(
    frame: InFrame,
    session: Writing,
    caller: Administrator,
    now: Now,
    name: Text,
    role: Text,
    campuses: Chosen,
    last_day: Text = "",
) -> Response:
    """Make a token. Its text is on this page and nowhere else."""
    ends = local_instant(read_day(last_day, "last_day") + timedelta(days=1), 0, frame.zone) if last_day else None
    said = forms.read(TokenSaid, name=name.strip(), role=role, expires_at=ends, campuses=campuses or None)
    made = await token_routes.make_token(session, caller, now, said)
    found, following = await accounts.read_tokens(session, None, now)
    return frame.page(
        "tokens.html", tokens=found, following=following, after=None, roles=accounts.TOKEN_ROLES, made=made
    )


@router.post("/users/tokens/{number}/revoke")
async def revoke_token(session: Writing, caller: Administrator, now: Now, number: Number) -> Response:
    """Revoke a token for good."""
    await token_routes.revoke_token(session, caller, now, number)
    return done("/users/tokens", "The token opens nothing any more, and whoever signed in with it is signed out.")


@router.get("/users/{user}")
async def show_user(frame: InFrame, session: Reading, caller: Administrator, user: Number) -> Response:
    """Show one user, to be changed."""
    row = await users.get(session, user)
    answer = Response()
    shown = await routes.show_user(session, caller, user, answer)
    roles = {role: accounts.ROLES[role] for role in access.ROLES if role in accounts.ROLES}
    tag = answer.headers["ETag"]
    return frame.page("user.html", user=shown, account=accounts.user(row), tag=tag, roles=roles)


@router.post("/users/{user}")
async def change_user(
    session: Writing,
    caller: Administrator,
    now: Now,
    user: Number,
    tag: Text,
    role: Text,
    campuses: Chosen,
    everywhere: Annotated[bool, Form()] = False,
    password: Text = "",
    forget_phone: Annotated[bool, Form()] = False,
) -> Response:
    """Change what a user may do and where, give them another password, forget a phone they have lost."""
    row = await users.get(session, user)
    narrowed = not everywhere and sorted(campuses) != row.campuses
    said = forms.read(
        UserChange,
        role=role if role != row.role else None,
        campuses=campuses if narrowed else None,
        all_campuses=True if everywhere and row.campuses is not None else None,
        password=password or None,
        totp="off" if forget_phone else None,
    )
    shown = await routes.change_user(session, caller, now, user, said, Response(), tag)
    return done(f"/users/{user}", f"{shown.name} is changed.")


@router.post("/users/{user}/switch")
async def switch_user(
    session: Writing, caller: Administrator, now: Now, user: Number, tag: Text, on: Annotated[bool, Form()] = False
) -> Response:
    """Switch a user off, or on again."""
    said = forms.read(UserChange, disabled=not on)
    shown = await routes.change_user(session, caller, now, user, said, Response(), tag)
    words = "may sign in again" if on else "is switched off and signed out; the record keeps the name"
    return done(f"/users/{user}", f"{shown.name} {words}.")
