"""Device mappings: what other makers' devices mean. The site's own are changed here, and take effect within seconds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, HTTPException, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import Administrator, Now, Reader, Reading, Writing
from api.listing import AfterKey, Limit, Page, Words, piece
from api.schemas import MappingDetail, MappingShown
from core import audit
from core.documents import Document
from core.errors import BadInput, Conflict, NotFound, Problem
from ingest import store
from ingest.mapping import Mapping, read_mappings, run_examples, shipped

router = APIRouter(tags=["mappings"])
_EXAMPLE = {
    "id": "acme",
    "match": {"topic": "acme/{device}/report"},
    "source": "acme/{device}",
    "emit": "door.position",
    "value": {"path": "reed", "map": {"SHUT": "closed", "AJAR": "open"}},
    "examples": [{"topic": "acme/7/report", "payload": {"reed": "AJAR"}, "gives": {"kind": "door.opened"}}],
}
IfMatch = Annotated[str | None, Header(max_length=100, description="The ETag of what is to be changed.")]
Written = Annotated[dict[str, Any], Body(description="A mapping as in a file.", examples=[_EXAMPLE])]


@router.get("/mappings")
async def list_mappings(session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 100) -> Page[MappingShown]:
    """Return the mappings in force, in the order in which they are asked: the first that fits reads a message."""
    versions = await _versions(session)
    found = await store.in_force(session)
    place = next((place for place, each in enumerate(found, 1) if each.id == after), 0)
    shown, following = piece(found[place:], limit, lambda mapping: mapping.id)
    return Page(items=[MappingShown(**_shown(each, versions)) for each in shown], next=following)


@router.get("/mappings/{name}")
async def show_mapping(session: Reading, _caller: Reader, name: Words, response: Response) -> MappingDetail:
    """Return a mapping with its document."""
    return await _detail(session, name, response)


@router.put("/mappings/{name}")
async def write_mapping(
    session: Writing,
    caller: Administrator,
    now: Now,
    name: Words,
    document: Written,
    response: Response,
    if_match: IfMatch = None,
) -> MappingDetail:
    """Write a mapping of this site, a new one behind the others. Its examples are run; if one fails, nothing changes.

    One with the id of a mapping that ships stands in for it.
    """
    _must_match(if_match, name, await _versions(session))
    changes = await store.save(session, [_proven(name, document)], now=now, by=caller.actor)
    if changes:
        await _note(session, caller.actor, now, "mapping.save", name)
    return await _detail(session, name, response)


@router.delete("/mappings/{name}", status_code=204)
async def delete_mapping(
    session: Writing, caller: Administrator, now: Now, name: Words, if_match: IfMatch = None
) -> None:
    """Delete a mapping of this site; its versions stay on record. One that ships comes back in its place."""
    versions = await _versions(session)
    _must_match(if_match, name, versions)
    if name not in versions and any(each.id == name for each in shipped()):
        raise Conflict(f"{name!r} ships with the service; a mapping of the same id with `emit: nothing` silences it")
    await store.delete(session, name, now=now, by=caller.actor)
    await _note(session, caller.actor, now, "mapping.delete", name)


def _proven(name: str, document: dict[str, Any]) -> Mapping:
    said = {"id": name} | document
    if said["id"] != name:
        raise BadInput([Problem(f"is {said['id']!r}, and the address says {name!r}", "id")])
    (mapping,) = read_mappings([Document(said)])
    problems = run_examples(mapping)
    if problems:
        raise BadInput(problems)
    return mapping


def _must_match(if_match: str | None, name: str, versions: dict[str, int]) -> None:
    if if_match is not None and if_match != _tag(name, versions):
        raise HTTPException(412, "It has changed since it was read; read it again.")


async def _versions(session: AsyncSession) -> dict[str, int]:
    return {each.id: each.version for each in await store.stored(session)}


async def _detail(session: AsyncSession, name: str, response: Response) -> MappingDetail:
    versions = await _versions(session)
    mapping = next((each for each in await store.in_force(session) if each.id == name), None)
    if mapping is None:
        raise NotFound(f"no mapping {name!r}")
    response.headers["ETag"] = _tag(name, versions)
    return MappingDetail(**_shown(mapping, versions), document=mapping.origin.data)


def _tag(name: str, versions: dict[str, int]) -> str:
    return f'"{versions.get(name, 0)}"'


def _shown(mapping: Mapping, versions: dict[str, int]) -> dict[str, Any]:
    return {
        "id": mapping.id,
        "title": mapping.document.title,
        "origin": "site" if mapping.id in versions else "shipped",
        "version": versions.get(mapping.id),
        "topics": list(mapping.document.match.topic),
        "source": mapping.document.source,
        "emit": mapping.document.emit,
    }


async def _note(session: AsyncSession, actor: str, now: Now, action: str, name: str) -> None:
    await audit.record(session, at=now, actor=actor, action=action, subject=f"mapping:{name}")
