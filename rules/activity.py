"""When a rule may begin to hold: in a calendar, during a gathering, in a state of the campus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rules.document import Active
from rules.language.scene import Scene


def read_activity(active: Active | None, entity: str) -> Callable[[Scene], bool]:
    """Return the question whether the rule may begin to hold for the scene's subject at its instant."""
    if active is None:
        return _always

    calendar, invert, states, during = active.calendar, active.invert, active.campus_state, active.during

    def is_active(scene: Scene) -> bool:
        if calendar is not None and scene.campus.local_calendar.is_in(calendar, scene.at) == invert:
            return False
        if states and scene.world.state not in states:
            return False
        return during is None or _during_gathering(scene, entity)

    return is_active


def _always(_scene: Scene) -> bool:
    return True


def _during_gathering(scene: Scene, entity: str) -> bool:
    campus, key = scene.campus, scene.key
    mine: Sequence[str]
    if entity == "gathering":
        mine = (key,)
    elif entity == "door":
        mine = campus.gatherings_of_door.get(key, ())
    elif entity == "zone":
        mine = [each.id for each in campus.gatherings if each.zone == key]
    else:
        mine = list(campus.gathering_spans)
    spans = (campus.gathering_spans[each] for each in mine if each in campus.gathering_spans)
    return any(start <= scene.at < end for start, end in spans)
