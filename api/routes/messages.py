"""Messages: the door for webhooks and programs, the same as MQTT's, and the journal of what was heard."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request

from api.access import Caller
from api.deps import InHouse, Reader, Reading, Receipt, Sender
from api.listing import AfterMoment, Instant, Limit, Page, Words, piece
from api.private import WithEyes, is_private, without_details
from api.schemas import MessageShown, ReceiptShown, Unread
from core import journal
from core.errors import BadInput, Forbidden, Problem
from core.messages import Heard
from core.wire import reason_of

router = APIRouter(tags=["messages"])


class Posted(msgspec.Struct, forbid_unknown_fields=True):
    """One message, as a sensor would publish it. The payload is taken as it stands, byte for byte."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    payload: msgspec.Raw
    at: str | None = None


_DECODER = msgspec.json.Decoder(Posted | list[Posted])
_ONE: dict[str, Any] = {
    "type": "object",
    "required": ["topic", "payload"],
    "additionalProperties": False,
    "properties": {
        "topic": {"type": "string", "description": "As over MQTT, with the prefix."},
        "payload": {"description": "A JSON value, or text for devices that send text."},
        "at": {"type": "string", "format": "date-time", "description": "Event time, if the payload has none."},
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_ONE, {"type": "array", "items": _ONE}]},
                "examples": {
                    "one": {
                        "value": {
                            "topic": "campus/lincoln/door/gym-east",
                            "payload": {"position": "open"},
                            "at": "2026-11-24T14:00:00Z",
                        }
                    },
                    "text": {"value": {"topic": "campus/lincoln/device/gym-east-contact", "payload": "online"}},
                },
            }
        },
    }
}


async def posted(request: Request) -> list[Posted]:
    """Return the messages in the body; BadInput names the place of what is wrong."""
    try:
        said = _DECODER.decode(await request.body())
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        raise BadInput([Problem(text, place.rstrip("`").lstrip("."))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput([Problem(f"the body is not JSON: {error}")]) from None
    return said if isinstance(said, list) else [said]


@router.post("/messages", status_code=202, openapi_extra=_BODY)
async def send_messages(
    house: InHouse, caller: Sender, messages: Annotated[list[Posted], Depends(posted)]
) -> ReceiptShown:
    """Take in one message or a list, as if they had come over MQTT. When this answers, their effects are stored."""
    many = len(messages) != 1
    _must_be_theirs(caller, house.settings.mqtt_prefix, messages)
    heard = [
        Heard(each.topic, _payload(each, f"[{place}]." if many else ""), trial_only=caller.trial_only)
        for place, each in enumerate(messages)
    ]
    return receipt_shown(await house.receive(heard))


def _must_be_theirs(caller: Caller, prefix: str, messages: list[Posted]) -> None:
    """Forbidden where a message may be about another campus than those the caller is here for."""
    if caller.campuses is None:
        return
    beginnings = tuple(f"{prefix}/{campus}/" for campus in sorted(caller.campuses))
    for each in messages:
        if not each.topic.startswith(beginnings):
            raise Forbidden(f"you may send to {' and '.join(beginnings)}… alone, and not to {each.topic[:100]!r}")


def receipt_shown(receipt: Receipt) -> ReceiptShown:
    """Return what became of messages, as it is shown."""
    told = [(index, *reason_of(said)) for index, said in receipt.quarantined]
    unread = [Unread(index=index, reason=reason, detail=detail) for index, reason, detail in told]
    return ReceiptShown(accepted=receipt.accepted, duplicates=receipt.duplicates, quarantined=unread)


def _payload(said: Posted, place: str) -> bytes:
    raw = bytes(said.payload)
    if raw.startswith(b'"'):
        if said.at is not None:
            raise BadInput([Problem("a text payload cannot carry a time; leave it out", f"{place}at")])
        return msgspec.json.decode(raw, type=str).encode()
    if said.at is None or not raw.startswith(b"{"):
        return raw
    fields: dict[str, Any] = msgspec.json.decode(raw)
    fields.setdefault("time" if "specversion" in fields else "at", said.at)
    return msgspec.json.encode(fields)


@router.get("/messages")
async def list_messages(
    session: Reading,
    _caller: Reader,
    eyes: WithEyes,
    after: AfterMoment,
    campus: Words | None = None,
    kind: Annotated[Words | None, Query(description="A kind (`door.opened`) or a family (`door.*`).")] = None,
    key: Annotated[Words | None, Query(description="The door, visit, gathering or device it is about.")] = None,
    since: Annotated[Instant | None, Query(description="Event time, from.")] = None,
    until: Annotated[Instant | None, Query(description="Event time, before.")] = None,
    limit: Limit = 100,
) -> Page[MessageShown]:
    """Return what was heard, the newest first by event time. Details of students and the watch list take a purpose."""
    before = None if after is None else journal.Position(*after)
    rows = await journal.find(
        session, campus=campus, kind=kind, key=key, since=since, until=until, before=before, limit=limit + 1
    )
    shown, following = piece(rows, limit, lambda row: f"{row.at.isoformat()}#{row.id}")
    items = [_shown(row) for row in shown]
    private = [each for each in items if each.campus and is_private(each.body, each.kind)]
    for place in sorted({each.campus for each in private}):
        await eyes.saw("messages", place, (str(each.id) for each in private if each.campus == place))
    for each in private if not eyes.see else ():
        each.body = without_details(each.body)
    return Page(items=items, next=following)


def _shown(row: journal.MessageRow) -> MessageShown:
    message = journal.read(row)
    return MessageShown(
        id=row.id,
        message_id=message.message_id,
        campus=message.campus,
        kind=message.kind,
        key=message.key,
        at=message.at,
        received_at=message.received_at,
        exercise=message.exercise,
        late=message.late,
        body=message.body(),
    )
