"""Policies: who is told step by step, in words; who would be told at any moment; changing one."""

from __future__ import annotations

from typing import Annotated, Any, Final

import yaml
from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData
from starlette.responses import Response as Answered

from alerts import policies as known_policies
from api.alert_schemas import PreviewSaid
from api.console import plans, silences
from api.console.edits import Edit, InEdit
from api.console.forms import Short, read_local, write_local
from api.console.frame import Frame, InFrame, done
from api.deps import House, InHouse, Reading
from api.listing import Words
from api.routes import policies
from core import documents
from core.campus import Campus, nearest
from core.errors import BadInput, NotFound, Problem

router = APIRouter(include_in_schema=False)
VERSIONS_SHOWN: Final = 20
_KEEP: Final = "Alerts that are open keep the one they opened with."
Document = Annotated[Words, Form(max_length=100_000)]


@router.get("/policies")
async def show_policies(
    frame: InFrame,
    session: Reading,
    house: InHouse,
    rule: Annotated[Words, Query(max_length=100)] = "",
    at: Annotated[Words, Query(max_length=40)] = "",
) -> Answered:
    """Show the policies in words; with a rule and a moment, who would be told."""
    campus = await policies.who_is_told(session, house, frame.campus.id)
    found = known_policies.policies_of(campus)
    titles = {each: str(document.get("title", each)) for each, document in (await silences.rules(session)).items()}
    answer = await _preview(frame, session, house, campus, rule, at) if rule else None
    return frame.page(
        "policies.html",
        campus=campus,
        policies=[plans.shown(each, campus, known_policies.to_plain(each)) for each in found.values()],
        rules=list(titles.items()),
        asked={"rule": rule, "at": at or write_local(frame.now, campus)},
        answer=answer,
    )


@router.get("/policies/{name}")
async def show_policy(frame: InFrame, session: Reading, house: InHouse, name: Words) -> Answered:
    """Show one policy, its changes, and the forms that change it."""
    campus = await policies.who_is_told(session, house, frame.campus.id)
    found = known_policies.policies_of(campus)
    if name not in found:
        raise NotFound(f"no policy {name!r}{nearest(name, set(found))}")
    document = known_policies.to_plain(found[name])
    written = {key: value for key, value in document.items() if key not in ("id", "version")}
    versions = await policies.list_policy_versions(
        session, house, frame.caller, None, name, campus=campus.id, limit=VERSIONS_SHOWN
    )
    return frame.page(
        "policy.html",
        campus=campus,
        policy=plans.shown(found[name], campus, document),
        document=yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=100),
        versions=versions.items,
    )


@router.post("/policies/{c}/new")
async def add_policy(edit: InEdit, name: Short, document: Document) -> Answered:
    """Add a policy of the campus's own."""
    present = await edit.present()
    if name in known_policies.policies_of(present):
        raise BadInput([Problem(f"there is a policy {name!r} already; change that one", "name")])
    await _put(edit, name, _read(document))
    return done(
        f"/policies/{name}?campus={edit.campus.id}", f"Policy {name} is saved. A rule names it as `alert.policy`."
    )


@router.post("/policies/{c}/{name}/document")
async def write_document(edit: InEdit, name: Words, document: Document) -> Answered:
    """Change a policy as a document."""
    saved = await _put(edit, name, _read(document))
    return edit.done(f"Saved as version {saved}. {_KEEP}")


@router.post("/policies/{c}/{name}/steps")
async def write_steps(request: Request, edit: InEdit, name: Words) -> Answered:
    """Change when the steps of a policy come and whom they tell; everything else stays."""
    present = await edit.present()
    found = known_policies.policies_of(present)
    if name not in found:
        raise NotFound(f"no policy {name!r}")
    said = _changed(known_policies.to_plain(found[name]), await request.form())
    # A field is called as its place in the document is, so that what is wrong stands beside it.
    saved = await _save(edit, name, said)
    return edit.done(f"Saved as version {saved}. {_KEEP}")


def _changed(document: dict[str, Any], form: FormData) -> dict[str, Any]:
    document = {key: value for key, value in document.items() if key != "version"}
    if isinstance(target := form.get("ack_target"), str) and target.strip():
        document["ack_target"] = target.strip()
    for place, step in enumerate(document["steps"]):
        for field in ("after", "repeat", "notify"):
            given = form.get(f"steps[{place}].{field}")
            if not isinstance(given, str):
                continue
            words = given.strip()
            step[field] = [each.strip() for each in words.split(",") if each.strip()] if field == "notify" else words
        step["repeat"] = step.get("repeat") or None
    return document


async def _put(edit: Edit, name: str, document: documents.Document) -> int:
    try:
        return await _save(edit, name, document.data)
    except BadInput as bad:
        raise BadInput([_in_document(each) for each in document.locate(bad.problems)]) from None


async def _save(edit: Edit, name: str, document: dict[str, Any]) -> int:
    session, house, campus, caller, now = edit.place
    saved = await policies.put_policy(session, house, caller, now, Response(), name, document, campus.id, edit.version)
    return saved.version


def _read(text: str) -> documents.Document:
    try:
        found = documents.parse(text)
    except BadInput as bad:
        raise BadInput([_in_document(each) for each in bad.problems]) from None
    if len(found) != 1 or not isinstance(found[0].data, dict):
        raise BadInput([Problem("is one policy: title, steps, …", "document")])
    return found[0]


def _in_document(problem: Problem) -> Problem:
    place = ", ".join(part for part in (f"line {problem.line}" if problem.line else "", problem.where) if part)
    return Problem(f"{place}: {problem.message}" if place else problem.message, "document", line=problem.line)


async def _preview(
    frame: Frame, session: AsyncSession, house: House, campus: Campus, rule: str, at: str
) -> plans.Answer:
    moment = read_local(at, campus, "at") if at.strip() else frame.now
    said = PreviewSaid(rule=rule, at=moment, campus=campus.id)
    return plans.answer(await policies.preview_policy(session, house, frame.caller, frame.now, said), campus)
