"""One's own sign-in: the password, the code from one's phone, and where else one is signed in."""

from __future__ import annotations

from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from starlette.responses import Response

from api import users
from api.account_schemas import PasswordSaid, ProofSaid, TotpSaid
from api.console import forms
from api.console.frame import InFrame, done
from api.deps import InHouse, Now, Reader, Reading, Writing
from api.listing import Number
from api.routes import myself
from core.errors import BadInput, Problem

router = APIRouter(include_in_schema=False)
Password = Annotated[str, Form(max_length=1000)]


@router.get("/me")
async def show_me(frame: InFrame, session: Reading, caller: Reader, now: Now) -> Response:
    """Show who one is here, and where one is signed in."""
    row = await users.get(session, caller.id) if caller.kind == "user" else None
    signed_in = await myself.list_sessions(session, caller, now)
    shown = await myself.show_myself(caller)
    return frame.page("me.html", me=shown, row=row, sessions=signed_in.items)


@router.post("/me/password")
async def change_password(
    request: Request, house: InHouse, caller: Reader, now: Now, present: Password, new: Password, again: Password
) -> Response:
    """Change one's own password; every sign-in ends."""
    if new != again:
        raise BadInput([Problem("is not the same as the new password", "again")])
    said = forms.read(PasswordSaid, present=present, new=new)
    answer = done("/login", "Your password is changed. Sign in with the new one.")
    await myself.change_password(request, house, caller, now, said, answer)
    return answer


@router.get("/me/phone")
async def show_phone(frame: InFrame, session: Reading, caller: Reader) -> Response:
    """Show how to have codes on one's phone, or to have none any more."""
    row = await users.get(session, caller.id) if caller.kind == "user" else None
    return frame.page("phone.html", row=row, offer=None, picture=None)


@router.post("/me/phone")
async def offer_codes(
    frame: InFrame, request: Request, house: InHouse, caller: Reader, now: Now, password: Password
) -> Response:
    """Show a fresh secret as a picture, for an app; nothing is changed yet."""
    offer = await myself.offer_totp(request, house, caller, now, forms.read(ProofSaid, password=password))
    async with house.database.reading() as session:
        row = await users.get(session, caller.id)
    return frame.page("phone.html", row=row, offer=offer, picture=_picture(offer.address))


@router.post("/me/phone/code")
async def take_code(
    request: Request,
    house: InHouse,
    caller: Reader,
    now: Now,
    password: Password,
    secret: Annotated[str, Form(max_length=100)],
    code: Annotated[str, Form(max_length=20)],
) -> Response:
    """Ask for a code at every sign-in from now on."""
    said = forms.read(TotpSaid, password=password, secret=secret, code=code.strip())
    await myself.set_totp(request, house, caller, now, said)
    return done("/me", "From now on you sign in with a code from your phone as well.")


@router.post("/me/phone/off")
async def forget_codes(request: Request, house: InHouse, caller: Reader, now: Now, password: Password) -> Response:
    """Ask for no code any more."""
    await myself.forget_totp(request, house, caller, now, forms.read(ProofSaid, password=password))
    return done("/me", "No code is asked for any more.")


@router.post("/me/sessions/{number}/end")
async def end_session(session: Writing, caller: Reader, now: Now, number: Number) -> Response:
    """End a sign-in of one's own, on a machine one has left."""
    await myself.end_session(session, caller, now, number)
    return done("/me", "That sign-in is over.")


def _picture(address: str) -> Markup:
    code = segno.make(address, micro=False, error="m")
    # Black on white in every scheme: that is what cameras read.
    drawn = code.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - drawn by the library of squares alone; the address is in their pattern
