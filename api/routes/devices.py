"""Devices: how well each is heard, and those that were announced and are on no door yet."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import InHouse, OnCampus, Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.schemas import DeviceHealthShown, ProposalShown, ProposalsShown
from core import state
from core.campus import Campus, Device, write_duration
from core.facts import DeviceFacts, Facts
from ingest import discovery, health, store
from ingest.discovery import Proposal
from ingest.health import Tally

router = APIRouter(tags=["devices"])


@router.get("/campuses/{c}/devices")
async def list_devices(
    campus: OnCampus, session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 500
) -> Page[DeviceHealthShown]:
    """Return the devices, what they say of themselves and how well they are heard, in the order of their ids."""
    told = {facts.id: facts for facts in await state.load(session, campus.id, "device")}
    tallies = await health.load(session, campus.id)
    found = sorted(campus.devices_by_id.values(), key=lambda device: device.id)
    rest = [device for device in found if after is None or device.id > after]
    shown, following = piece(rest, limit, lambda device: device.id)
    items = [_shown(campus, each, told.get(each.id), tallies.get(each.id)) for each in shown]
    return Page(items=items, next=following)


@router.get("/campuses/{c}/devices/proposals")
async def list_proposals(
    campus: OnCampus, house: InHouse, session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 100
) -> ProposalsShown:
    """Return the contact sensors that announced themselves to Home Assistant and that no campus names yet.

    An announcement does not say on which campus it was made; write its `source` to the right door and it is gone here.
    """
    in_force = await store.in_force(session)
    found = await discovery.proposals(session, house.campuses().values(), in_force)
    rest = [each for each in found if after is None or each.sensor.topic > after]
    shown, following = piece(rest, limit, lambda each: each.sensor.topic)
    count = f"{len(found)} contact sensor{'' if len(found) == 1 else 's'} found"
    words = f"{count}: which doors of {campus.campus.name} are they?" if found else "no new contact sensors found"
    return ProposalsShown(items=[_proposed(each) for each in shown], next=following, words=words)


def _shown(campus: Campus, device: Device, facts: Facts | None, tally: Tally | None) -> DeviceHealthShown:
    told = facts if isinstance(facts, DeviceFacts) else DeviceFacts(id=device.id)
    door = campus.doors_by_id.get(device.door or "")
    offset = tally.clock_offset if tally else None
    return DeviceHealthShown(
        id=device.id,
        door=device.door,
        device_kind=device.kind,
        source=device.source or (door.source if door else None),
        heartbeat=write_duration(device.heartbeat) if device.heartbeat else None,
        online=told.online,
        battery_pct=told.battery_pct,
        battery_low=told.battery_low,
        tampered=told.tampered,
        heard_at=told.heard_at,
        last_seen=tally.last_seen if tally else None,
        clock_offset=None if offset is None else offset.total_seconds(),
        messages=tally.messages if tally else 0,
        duplicates=tally.duplicates if tally else 0,
        late=tally.late if tally else 0,
        skewed=tally.skewed if tally else 0,
        lost=tally.lost if tally else 0,
    )


def _proposed(proposal: Proposal) -> ProposalShown:
    sensor = proposal.sensor
    return ProposalShown(
        topic=sensor.topic,
        name=sensor.name,
        device_class=sensor.device_class,
        maker=sensor.maker,
        state_topic=sensor.state_topic,
        heard_at=proposal.heard_at,
        source=proposal.source or None,
        mapping=proposal.mapping,
        trouble=proposal.trouble or None,
    )
