"""How long a device may be silent, where its mapping knows and the campus file does not say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.campus import Campus
from ingest.mapping.binding import WIRING_MARK
from ingest.mapping.files import Mapping

MISSED: Final = 3
"""So many heartbeats may be missed before a device counts as silent."""


def with_heartbeats(campus: Campus, mappings: Iterable[Mapping]) -> Campus:
    """Return the campus with a heartbeat for every device that has none, where its mapping knows `silent_after`."""
    quiet = [mapping for mapping in mappings if mapping.document.silent_after is not None]
    devices = dict(campus.devices_by_id)
    for device in campus.devices_by_id.values():
        door = campus.doors_by_id.get(device.door or "")
        source = device.source or (door.source if door else None)
        if device.heartbeat is not None or source is None:
            continue
        name = source.rpartition(WIRING_MARK)[0] or source
        after = next((each.document.silent_after for each in quiet if each.names(name)), None)
        if after is not None:
            devices[device.id] = device.model_copy(update={"heartbeat": after / MISSED})
    if devices == campus.devices_by_id:
        return campus
    fields = {name: getattr(campus, name) for name in Campus.model_fields}
    return Campus(**fields | {"devices": tuple(devices.values())})
