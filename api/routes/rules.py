"""The rules in force, each in plain English beside its document; how they are changed, and what a change costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Response

from api import warnings
from api.deps import InHouse, Now, Reader, Reading
from api.listing import AfterKey, Limit, Page, Words, piece
from api.routes import rule_tuning
from api.rule_editing import DOCUMENT_BODY, InBody, InPencil, Pencil, Saved, changed, standing
from api.rule_schemas import (
    LAST_VERSION,
    CheckedShown,
    LintShown,
    ModeSaid,
    OverrideSaid,
    OverridesShown,
    RollbackSaid,
    RuleDetail,
    RuleListed,
    SavedShown,
    Values,
    VersionShown,
)
from api.schemas import ProblemDetails, ProblemShown
from core.documents import Document
from core.errors import BadInput, NotFound, Problem
from rules import store
from rules.backtest import tuned_to
from rules.rule import Rule
from rules.sentence import sentence

router = APIRouter(tags=["rules"])
router.include_router(rule_tuning.router)
AVersion = Annotated[int, Query(ge=1, le=LAST_VERSION, description="An earlier version.")]
_NONE: Final[dict[int | str, dict[str, Any]]] = {404: {"model": ProblemDetails, "description": "No such rule"}}
_EDIT: Final[dict[int | str, dict[str, Any]]] = {
    **_NONE,
    409: {"model": ProblemDetails, "description": "Not allowed, or changed at the same time; `detail` says why"},
    412: {"model": ProblemDetails, "description": "`If-Match` names another version than the present one"},
}


# --------------------------------------------------------------------------------------------------- looking
@router.get("/rules")
async def list_rules(
    house: InHouse, session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 100
) -> Page[RuleListed]:
    """Return the latest version of every rule, in the order of their ids."""
    rest = [rule for rule in await store.load_rules(session) if after is None or rule.id > after]
    shown, following = piece(rest, limit, lambda rule: rule.id)
    health = house.rule_health()
    return Page(items=[RuleListed.model_validate(_plain(rule, health)) for rule in shown], next=following)


@router.get("/rules/lint")
async def lint_rules(house: InHouse, session: Reading, _caller: Reader, now: Now) -> LintShown:
    """Return what is not wrong with the campuses and their rules, and will surprise."""
    rules = await store.load_rules(session)
    found = [each for campus in house.campuses().values() for each in warnings.of_campus(campus, rules, now)]
    return LintShown(warnings=_shown(found))


@router.get("/rules/{rule}", responses=_NONE)
async def show_rule(
    house: InHouse, session: Reading, _caller: Reader, answer: Response, rule: Words, version: AVersion | None = None
) -> RuleDetail:
    """Return one rule, the version in force unless another is asked for."""
    found = await store.load_rule(session, rule, version)
    (written,) = [each for each in await store.versions(session, rule) if each.version == found.version]
    answer.headers["ETag"] = _etag(found.version)
    more = {
        "params": _params_of(found.document),
        "overrides": list(found.document.get("overrides", ())),
        "created_at": written.created_at,
        "created_by": written.created_by,
    }
    return RuleDetail.model_validate(_plain(found, house.rule_health()) | more)


@router.get("/rules/{rule}/versions", responses=_NONE)
async def list_versions(
    session: Reading, _caller: Reader, after: AfterKey, rule: Words, limit: Limit = 100
) -> Page[VersionShown]:
    """Return every version of a rule, the newest first, with the keys in which each differs from the one before."""
    found = await store.versions(session, rule)
    if not found:
        raise NotFound(f"there never was a rule {rule!r}")
    before = [each.document or {} for each in found[1:]] + [{}]
    all_ = [
        VersionShown(
            version=each.version,
            mode=each.mode,
            created_at=each.created_at,
            created_by=each.created_by,
            changed=changed(was, each.document or {}),
            document=each.document,
        )
        for each, was in zip(found, before, strict=True)
    ]
    rest = [each for each in all_ if after is None or not after.isdecimal() or each.version < int(after)]
    shown, following = piece(rest, limit, lambda each: each.version)
    return Page(items=shown, next=following)


# --------------------------------------------------------------------------------------------------- changing
@router.put("/rules/{rule}", responses=_EDIT, openapi_extra=DOCUMENT_BODY)
async def put_rule(pencil: InPencil, document: InBody, answer: Response, rule: Words) -> SavedShown:
    """Save a rule, new or changed, as JSON or YAML; its own tests are run first. The rule in force stays if refused."""
    named = _named(document, rule)
    return _saved(await pencil.change(rule, lambda _present: named, action="rule.save", proves=True), answer)


@router.delete("/rules/{rule}", status_code=204, responses=_EDIT)
async def delete_rule(pencil: InPencil, rule: Words) -> None:
    """Delete a rule; what it has open is resolved, its versions stay on record. Not for life-safety rules."""
    await pencil.delete(rule)


@router.patch("/rules/{rule}/params", responses=_EDIT)
async def patch_params(
    pencil: InPencil,
    answer: Response,
    rule: Words,
    said: Annotated[Values, Body(examples=[{"hold": "90s"}])],
) -> SavedShown:
    """Give parameters other values, within their bounds: `{"hold": "90s"}`, or `{"params": {…}, "reason": "…"}`."""
    with_reason = isinstance(said.get("params"), dict) and said.keys() <= {"params", "reason"}
    values: dict[str, Any] = said["params"] if with_reason else said
    detail = {"params": values} | ({"reason": str(said["reason"])} if with_reason and "reason" in said else {})

    def tuned(present: Rule | None) -> Mapping[str, Any]:
        return tuned_to(_some(present, rule), values).document

    return _saved(await pencil.change(rule, tuned, action="rule.params", detail=detail), answer)


@router.post("/rules/{rule}/mode", responses=_EDIT)
async def change_mode(pencil: InPencil, answer: Response, rule: Words, said: ModeSaid) -> SavedShown:
    """Put a rule live, into shadow, or out of use; with `until` for a while, as an override with a reason."""
    if said.until is not None:
        if said.reason is None:
            raise BadInput([Problem("is required beside until", where="reason")])
        span = {"from": _text(pencil.now), "until": _text(said.until)}
        override = {"mode": said.mode, **span, "reason": said.reason, "by": pencil.caller.actor}
        _check_until(said.until, pencil.now)
        return _saved(await _override(pencil, rule, override), answer)

    def moved(present: Rule | None) -> Mapping[str, Any]:
        return {**_some(present, rule).document, "mode": said.mode}

    detail = {"mode": said.mode} | ({"reason": said.reason} if said.reason else {})
    return _saved(await pencil.change(rule, moved, action="rule.mode", detail=detail), answer)


@router.post("/rules/{rule}/rollback", responses=_EDIT)
async def roll_back(pencil: InPencil, answer: Response, rule: Words, said: RollbackSaid) -> SavedShown:
    """Put an earlier version in force again, as a new version with the old body; a deleted rule comes back so."""
    async with pencil.house.database.reading() as session:
        old = await store.load_rule(session, rule, said.version)
    detail = {"to": said.version} | ({"reason": said.reason} if said.reason else {})
    found = await pencil.change(rule, lambda _present: old.document, action="rule.rollback", detail=detail)
    return _saved(found, answer)


@router.post("/rules/{rule}/overrides", status_code=201, responses=_EDIT)
async def add_override(pencil: InPencil, answer: Response, rule: Words, said: OverrideSaid) -> OverridesShown:
    """Let other parameters, or another mode, hold for some things until a given time; what is over is dropped."""
    _check_until(said.until, pencil.now)
    override: dict[str, Any] = {
        name: value for name, value in (("scope", said.scope), ("params", said.params), ("mode", said.mode)) if value
    }
    start = said.start or pencil.now
    override |= {"from": _text(start), "until": _text(said.until), "reason": said.reason, "by": pencil.caller.actor}
    saved = await _override(pencil, rule, override)
    return OverridesShown.model_validate(_saved(saved, answer).model_dump() | _overrides(saved))


@router.delete("/rules/{rule}/overrides", responses=_EDIT)
async def end_overrides(
    pencil: InPencil,
    answer: Response,
    rule: Words,
    number: Annotated[int | None, Query(ge=0, description="Its place in the list, from 0; without it all end.")] = None,
) -> OverridesShown:
    """End an override before its time, or all of them."""

    def ended(present: Rule | None) -> Mapping[str, Any]:
        document = dict(_some(present, rule).document)
        overrides = list(document.pop("overrides", ()))
        if number is not None and number >= len(overrides):
            raise NotFound(f"the rule has {len(overrides)} overrides, none of number {number}")
        left = [each for place, each in enumerate(overrides) if number is not None and place != number]
        return document | ({"overrides": left} if left else {})

    saved = await pencil.change(rule, ended, action="rule.override_ended", detail={"number": number})
    return OverridesShown.model_validate(_saved(saved, answer).model_dump() | _overrides(saved))


@router.post("/rules/validate", openapi_extra=DOCUMENT_BODY)
async def validate_rule(pencil: InPencil, document: InBody) -> CheckedShown:
    """Say whether a rule could be saved: 422 with all that is wrong, as PUT would; nothing is saved."""
    rule = await pencil.checked(document, proves=True)
    return CheckedShown(sentence=sentence(rule), warnings=_shown(pencil.warnings(rule)))


# ------------------------------------------------------------------------------------------------------ pieces
def _plain(rule: Rule, health: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "version": rule.version,
        "title": rule.title,
        "mode": rule.mode,
        "severity": rule.ladder[0].severity,
        "sentence": sentence(rule),
        "health": health.get(rule.id, ""),
        "document": dict(rule.document),
    }


def _params_of(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said["default"] for name, said in document.get("params", {}).items()}


def _saved(saved: Saved, answer: Response) -> SavedShown:
    answer.headers["ETag"] = _etag(saved.rule.version)
    return SavedShown(version=saved.rule.version, sentence=sentence(saved.rule), warnings=_shown(saved.warnings))


def _overrides(saved: Saved) -> dict[str, Any]:
    return {"overrides": list(saved.rule.document.get("overrides", ()))}


async def _override(pencil: Pencil, rule: str, override: dict[str, Any]) -> Saved:
    def overridden(present: Rule | None) -> Mapping[str, Any]:
        found = _some(present, rule)
        return {**found.document, "overrides": [*standing(found, pencil.now), override]}

    return await pencil.change(rule, overridden, action="rule.override", detail=override)


def _named(document: Document, rule: str) -> Document:
    data = document.data
    if not isinstance(data, dict):
        return document
    if data.get("id", rule) != rule:
        raise BadInput(document.locate([Problem(f"is {data['id']!r}, and the path says {rule!r}", where="id")]))
    return Document({"id": rule, **data}, document.file, document.lines)


def _some(present: Rule | None, rule: str) -> Rule:
    if present is None:
        raise NotFound(f"no rule {rule!r}")
    return present


def _check_until(until: datetime, now: datetime) -> None:
    if until <= now:
        raise BadInput([Problem("lies in the past", where="until")])


def _shown(problems: Iterable[Problem]) -> list[ProblemShown]:
    return [ProblemShown(where=each.where, message=each.message, line=each.line) for each in problems]


def _etag(version: int) -> str:
    return f'"{version}"'


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
