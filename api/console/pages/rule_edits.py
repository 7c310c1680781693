"""The forms that change rules: each does what the API does, on the version that was shown, and says what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import BaseModel, ValidationError

from api.console import rule_form, rule_text
from api.console.frame import Frame, InFrame, done
from api.console.pages.rules import read_local
from api.deps import Administrator, Reading
from api.etags import Changed
from api.listing import Words
from api.routes import rules as routes
from api.rule_editing import InPencil, Pencil, is_life_safety
from api.rule_schemas import LAST_VERSION, ModeSaid, OverrideSaid, RollbackSaid, SavedShown
from core.campus import problems_of
from core.documents import Document
from core.errors import BadInput, Conflict, NotFound, Problem
from rules import store
from rules.backtest import read_text
from rules.rule import Rule

router = APIRouter(include_in_schema=False)
AModel = TypeVar("AModel", bound=BaseModel)
MODES: Final = ("live", "shadow", "disabled")
_PARAM: Final = "params."


def _of_version(pencil: InPencil, version: Annotated[int, Form(ge=0, le=LAST_VERSION)]) -> Pencil:
    """Return what changes the version that the form was shown with, and no other; 0: there was no rule then."""
    return replace(pencil, if_match=f'"{version}"') if version else pencil


Shown = Annotated[Pencil, Depends(_of_version)]
Reason = Annotated[Words, Form(max_length=2000)]
Text = Annotated[Words, Form(max_length=500_000)]
Line = Annotated[Words, Form(max_length=200)]


# ------------------------------------------------------------------------------------------------------- tuning
@router.post("/rules/{rule}/params")
async def tune(frame: InFrame, pencil: Shown, request: Request, rule: Words, reason: Reason = "") -> Response:
    """Give parameters other values."""
    found = await _load(pencil, rule)
    said = _params_of(await request.form(), found)
    present = {name: each["default"] for name, each in found.document.get("params", {}).items()}
    values = {name: value for name, value in said.items() if value != present[name]}
    if not values:
        raise BadInput([Problem("every value is what it was; nothing was saved", f"{_PARAM}{next(iter(said), '')}")])
    body = {"params": values} | ({"reason": reason.strip()} if reason.strip() else {})
    saved = await routes.patch_params(pencil, Response(), rule, body)
    changed = ", ".join(f"{name} is {str(value).lower()} now" for name, value in values.items())
    return _saved(frame, rule, saved, changed)


def _params_of(form: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    """Return the values of a form's parameters; an empty field says nothing."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in rule.document.get("params", {}):
        text = form.get(f"{_PARAM}{name}")
        if not isinstance(text, str) or not text.strip():
            continue
        try:
            found[name] = read_text(rule, name, text.strip())
        except BadInput as bad:
            problems += [Problem(each.message, f"{_PARAM}{each.where}") for each in bad.problems]
    if problems:
        raise BadInput(problems)
    return found


# --------------------------------------------------------------------------------------------- mode, and versions
@router.post("/rules/{rule}/mode")
async def change_mode(
    frame: InFrame, pencil: Shown, rule: Words, mode: Line, until: Line = "", reason: Reason = ""
) -> Response:
    """Put a rule live, into shadow or out of use, for good or for a while."""
    said = _read(ModeSaid, {"mode": mode, "until": read_local(until, frame, "until"), "reason": reason.strip() or None})
    saved = await routes.change_mode(pencil, Response(), rule, said)
    return _saved(frame, rule, saved, f"It is {mode} now" if said.until is None else f"It is {mode} for a while")


@router.post("/rules/{rule}/rollback")
async def roll_back(
    frame: InFrame, pencil: Shown, rule: Words, to: Annotated[int, Form()], reason: Reason = ""
) -> Response:
    """Put an earlier version in force again."""
    said = _read(RollbackSaid, {"version": to, "reason": reason.strip() or None})
    saved = await routes.roll_back(pencil, Response(), rule, said)
    return _saved(frame, rule, saved, f"Version {to} is in force again")


@router.post("/rules/{rule}/discard")
async def discard(frame: InFrame, pencil: Shown, rule: Words) -> Response:
    """Give a draft in shadow up: what was live before it is in force again; where nothing was, the rule goes."""
    async with pencil.house.database.reading() as session:
        written = await store.versions(session, rule)
    if not written or written[0].mode != "shadow":
        raise Conflict("only a draft in shadow can be discarded")
    live = next((each.version for each in written if each.mode == "live" and each.document), None)
    if live is not None:
        return await roll_back(frame, pencil, rule, live, "the draft was discarded")
    await routes.delete_rule(pencil, rule)
    return done(frame.to("/rules"), f"The draft {rule} was discarded.")


@router.post("/rules/{rule}/delete")
async def delete(frame: InFrame, pencil: Shown, rule: Words) -> Response:
    """Delete a rule; its versions stay on record, and one of them can be put in force again."""
    await routes.delete_rule(pencil, rule)
    return done(frame.to(f"/rules/{rule}/versions"), f"The rule {rule} was deleted. Any version here brings it back.")


# ----------------------------------------------------------------------------------------------------- overrides
@router.post("/rules/{rule}/overrides")
async def add_override(
    frame: InFrame,
    pencil: Shown,
    request: Request,
    rule: Words,
    until: Line,
    scope: Line = "",
    mode: Line = "",
    start: Annotated[Words, Form(alias="from", max_length=40)] = "",
    reason: Reason = "",
) -> Response:
    """Let other values, or another mode, hold for some things and for a while."""
    found = await _load(pencil, rule)
    said = _read(
        OverrideSaid,
        {
            "scope": _scope_of(scope),
            "params": _params_of(await request.form(), found),
            "mode": mode or None,
            "from": read_local(start, frame, "from"),
            "until": read_local(until, frame, "until"),
            "reason": reason.strip(),
        },
    )
    saved = await routes.add_override(pencil, Response(), rule, said)
    return _saved(frame, rule, saved, "The override holds")


def _scope_of(text: str) -> Any:
    if not text.strip():
        return {}
    try:
        return rule_text.read_one(text).data
    except BadInput as bad:
        raise BadInput(Problem(each.message, "scope") for each in bad.problems) from None


@router.post("/rules/{rule}/overrides/end")
async def end_override(frame: InFrame, pencil: Shown, rule: Words, number: Annotated[int, Form(ge=0)]) -> Response:
    """End an override before its time."""
    saved = await routes.end_overrides(pencil, Response(), rule, number)
    return _saved(frame, rule, saved, "The override has ended")


# ------------------------------------------------------------------------------------- the form and the document
@router.get("/rules/{rule}/edit")
async def show_form(frame: InFrame, session: Reading, _caller: Administrator, rule: Words) -> Response:
    """Show the form for simple edits."""
    found = await store.load_rule(session, rule)
    safety = is_life_safety(found)
    return frame.page("rule_edit.html", rule=found, groups=rule_form.groups_of(found), is_life_safety=safety)


@router.post("/rules/{rule}/edit")
async def save_form(frame: InFrame, pencil: Shown, request: Request, rule: Words, shadow: Line = "") -> Response:
    """Save what the form says, once the rule's own tests have passed."""
    found = await _load(pencil, rule)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    document = rule_form.taken_over(found, form) | ({"mode": "shadow"} if shadow else {})
    if document == found.document:
        raise BadInput("everything is as it was; nothing was saved")
    saved = await routes.put_rule(pencil, Document(document), Response(), rule)
    return _saved(frame, rule, saved, "Saved, in shadow: nobody is told" if shadow else "Saved")


@router.get("/rules/{rule}/document")
async def show_document(frame: InFrame, session: Reading, rule: Words) -> Response:
    """Show the document of a rule, to be edited by whoever may; one that can no longer be read is mended here."""
    written = await _latest(session, rule)
    return _document(frame, rule, written.version, rule_text.write(written.document))


@router.post("/rules/{rule}/document")
async def save_document(
    frame: InFrame,
    pencil: Shown,
    rule: Words,
    version: Annotated[int, Form()],
    text: Text,
    only_check: Line = "",
) -> Response:
    """Save a document, or only say whether it could be; what was typed stays where it is refused."""
    text = text.replace("\r\n", "\n")
    try:
        document = rule_text.read_one(text)
        if only_check:
            checked = await routes.validate_rule(pencil, document)
            return _document(frame, rule, version, text, checked=checked)
        saved = await routes.put_rule(pencil, document, Response(), rule)
    except BadInput as bad:
        return _document(frame, rule, version, text, status=422, faults=rule_text.faults(text, bad.problems))
    except (Changed, Conflict) as error:
        return _document(frame, rule, version, text, status=type(error).status, refusal=str(error))
    return _saved(frame, rule, saved, "Saved")


def _document(frame: Frame, rule: str, version: int, text: str, *, status: int = 200, **more: Any) -> Response:
    values: dict[str, Any] = {"faults": (), "refusal": "", "checked": None} | more
    may_edit = frame.caller.may("administer") and frame.caller.campuses is None
    return frame.page(
        "rule_document.html", status=status, name=rule, version=version, text=text, may_edit=may_edit, **values
    )


# -------------------------------------------------------------------------------------------------------- a copy
@router.get("/rules/{rule}/copy")
async def show_copy(frame: InFrame, session: Reading, _caller: Administrator, rule: Words) -> Response:
    """Ask how the copy of a rule is to be called."""
    return frame.page("rule_copy.html", rule=await store.load_rule(session, rule))


@router.post("/rules/{rule}/copy")
async def make_copy(
    frame: InFrame,
    pencil: InPencil,
    rule: Words,
    name: Annotated[Words, Form(alias="id", max_length=64)],
    title: Line,
    shadow: Line = "",
) -> Response:
    """Make a new rule of a copy of one."""
    found, wanted = await _load(pencil, rule), name.strip()
    document = {name: value for name, value in found.document.items() if name != "overrides"}
    document |= {"id": wanted, "title": title.strip(), "mode": "shadow" if shadow else "live"}

    def fresh(present: Rule | None) -> Mapping[str, Any]:
        if present is not None:
            raise Conflict(f"there is a rule {wanted!r} already; choose another name")
        return document

    await pencil.change(wanted, fresh, action="rule.save", detail={"copy_of": rule}, proves=True)
    said = "in shadow: nobody is told until it is put live" if shadow else "live"
    return done(frame.to(f"/rules/{wanted}/edit"), f"The copy {wanted} is there, {said}. Change what shall be other.")


# --------------------------------------------------------------------------------------------------------- pieces
async def _load(pencil: Pencil, rule: str) -> Rule:
    async with pencil.house.database.reading() as session:
        return await store.load_rule(session, rule)


async def _latest(session: Reading, rule: str) -> store.Version:
    found = await store.versions(session, rule)
    if not found or found[0].document is None:
        raise NotFound(f"no rule {rule!r}")
    return found[0]


def _read(model: type[AModel], said: Mapping[str, Any]) -> AModel:
    try:
        return model.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None


def _saved(frame: Frame, rule: str, saved: SavedShown, said: str) -> Response:
    surprising = "".join(f"\nNote: {each.where}: {each.message}" for each in saved.warnings[:2])
    return done(frame.to(f"/rules/{rule}"), f"{said} (version {saved.version}).{surprising}")
