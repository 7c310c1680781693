"""The pieces of a campus, one by one: zones, doors, devices, gatherings, the watch list; as they are described.

The running service takes a change over within seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel

from api.deps import Reader
from api.etags import tag_of
from api.listing import AfterKey, Limit, Page, Words, piece
from api.masks import masked, masked_entry, unmasked, unmasked_entry
from api.private import WithEyes
from api.registry_editing import Clerk, Described, InClerk, Plain, part_of, read_campus
from api.schemas import ProblemDetails
from core import registry
from core.campus import Campus, Device, Door, Gathering, WatchEntry, Zone
from core.errors import BadInput, Forbidden, NotFound, Problem

router = APIRouter(tags=["campuses"])
EDIT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": ProblemDetails, "description": "Something else still refers to it"},
    412: {"model": ProblemDetails, "description": "`If-Match` names another state than the present one"},
}
_CAMPUS = {
    "campus": {"id": "lincoln", "name": "Lincoln High School", "timezone": "America/Chicago"},
    "zones": [{"id": "gym", "name": "Gymnasium", "load": 600}],
    "doors": [{"id": "gym-east", "name": "Gym east", "zone": "gym", "exterior": True, "class": "exit_only"}],
}
Written = Annotated[dict[str, Any], Body(description="As in a campus file; see `hallwatch schema campus`.")]


@router.get("/campuses/{c}")
async def show_campus(campus: Described, eyes: WithEyes, _caller: Reader, answer: Response) -> dict[str, Any]:
    """Return all that the campus file says. Endpoint URLs are masked; the watch list too, unless a purpose is named."""
    answer.headers["ETag"] = tag_of(part_of(campus, ""))
    await eyes.saw("watch_list", campus.id, (each.id for each in campus.watch_list))
    return masked(campus, details=eyes.see)


@router.put("/campuses/{c}", responses=EDIT)
async def write_campus(
    clerk: InClerk,
    c: Words,
    document: Annotated[dict[str, Any], Body(description="A campus as in its file.", examples=[_CAMPUS])],
    answer: Response,
) -> dict[str, Any]:
    """Write a campus, a new one or in place of what there was. What is masked in it stays as it is."""
    if not clerk.caller.may_know(c):
        raise Forbidden(f"you may not make a campus {c!r}")
    said_id = document.get("campus", {}).get("id") if isinstance(document.get("campus"), dict) else None
    if said_id != c:
        raise BadInput([Problem(f"is {said_id!r}, and the address says {c!r}", "campus.id")])
    stored = await registry.load(clerk.session, clerk.vault, c) if "\0" not in c else None
    clerk.expects(None if stored is None else part_of(stored, ""))
    campus = await clerk.save(read_campus(unmasked(document, stored)), subject=f"campus:{c}")
    answer.headers["ETag"] = tag_of(part_of(campus, ""))
    return masked(campus, details=False)


def _show(part: str, model: type[BaseModel], noun: str) -> None:
    """Add the three routes of one kind of piece; `noun` is one of them, `part` how a campus file names them all."""
    path = f"/campuses/{{c}}/{part.replace('_', '-')}/{{key}}"
    is_secret = part == "watch_list"

    async def show(campus: Described, _caller: Reader, eyes: WithEyes, key: Words, answer: Response) -> Any:
        found = _one(campus, part, key, noun)
        answer.headers["ETag"] = tag_of(found)
        if not is_secret:
            return model.model_validate(found)
        await eyes.saw(part, campus.id, [key])
        return model.model_validate(found if eyes.see else masked_entry(found))

    async def write(clerk: InClerk, c: Words, key: Words, document: Any, answer: Response) -> Any:
        said = {"id": key} | document
        if said["id"] != key:
            raise BadInput([Problem(f"is {said['id']!r}, and the address says {key!r}", "id")])
        campus = await clerk.edit(c, f"{part}/{key}", putting(part, said), subject=f"{noun}:{c}/{key}")
        found = part_of(campus, f"{part}/{key}")
        answer.headers["ETag"] = tag_of(found)
        return model.model_validate(masked_entry(found) if is_secret else found)

    async def remove(clerk: InClerk, c: Words, key: Words) -> None:
        await _removed(clerk, c, part, key, noun)

    write.__annotations__["document"] = Annotated[dict[str, Any], Body(description=f"A {noun} as in a campus file.")]
    show.__doc__ = f"Return a {noun} as it is described." + (" Its details take a purpose." if is_secret else "")
    write.__doc__ = f"Write a {noun}, a new one or in place of what there was."
    remove.__doc__ = f"Remove a {noun}. What still refers to it makes that impossible (409)."
    name = noun.replace(" ", "_").replace("-", "_")
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema_of(model)}}}}
    router.get(path, name=f"show_{name}", response_model=model)(show)
    router.put(path, name=f"write_{name}", response_model=model, responses=EDIT, openapi_extra=body)(write)
    router.delete(path, name=f"remove_{name}", status_code=204, responses=EDIT)(remove)


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    # The address names it; in the body the id may be left out.
    return schema | {"required": [each for each in schema.get("required", ()) if each != "id"]}


def _one(campus: Campus, part: str, key: str, noun: str) -> Plain:
    found = part_of(campus, f"{part}/{key}")
    if found is None:
        raise NotFound(f"no {noun} {key!r} on campus {campus.id!r}")
    return dict(found)


def putting(part: str, said: Plain) -> Callable[[Plain], Plain]:
    """Return the change that puts one piece among its kind: in place of the one of its id, or behind the others."""

    def change(plain: Plain) -> Plain:
        present = list(plain.get(part, ()))
        place = next((place for place, each in enumerate(present) if each["id"] == said["id"]), len(present))
        before = present[place] if place < len(present) else None
        whole = unmasked_entry(said, before) if part == "watch_list" else said
        return plain | {part: [*present[:place], whole, *present[place + 1 :]]}

    return change


async def _removed(clerk: Clerk, c: str, part: str, key: str, noun: str) -> None:
    def change(plain: Plain) -> Plain:
        rest = [each for each in plain.get(part, ()) if each["id"] != key]
        if len(rest) == len(plain.get(part, ())):
            raise NotFound(f"no {noun} {key!r} on campus {c!r}")
        # Tried out here: a reference that then leads nowhere is a conflict, not a mistake in what was sent.
        read_campus(plain | {part: rest}, removing=f"{noun} {key!r}")
        return plain | {part: rest}

    await clerk.edit(c, f"{part}/{key}", change, subject=f"{noun}:{c}/{key}")


for _part, _model, _noun in (
    ("zones", Zone, "zone"),
    ("doors", Door, "door"),
    ("devices", Device, "device"),
    ("gatherings", Gathering, "gathering"),
    ("watch_list", WatchEntry, "watch-list entry"),
):
    _show(_part, _model, _noun)


@router.get("/campuses/{c}/zones")
async def list_zones(campus: Described, _caller: Reader, after: AfterKey, limit: Limit = 500) -> Page[Zone]:
    """Return the zones, in the order of their ids."""
    rest = sorted((each for each in campus.zones if after is None or each.id > after), key=lambda each: each.id)
    shown, following = piece(rest, limit, lambda each: each.id)
    return Page(items=shown, next=following)


@router.get("/campuses/{c}/watch-list")
async def list_watch_entries(
    campus: Described, eyes: WithEyes, _caller: Reader, after: AfterKey, limit: Limit = 500
) -> Page[WatchEntry]:
    """Return the watch list, in the order of the ids. Who it is and what to do takes a purpose, which is on record."""
    rest = sorted((each for each in campus.watch_list if after is None or each.id > after), key=lambda each: each.id)
    shown, following = piece(rest, limit, lambda each: each.id)
    await eyes.saw("watch_list", campus.id, (each.id for each in shown))
    if not eyes.see:
        plain = [masked_entry(each.model_dump(mode="json", exclude_defaults=True)) for each in shown]
        shown = [WatchEntry.model_validate(each) for each in plain]
    return Page(items=shown, next=following)
