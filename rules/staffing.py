"""How many people of a role a rule asks for at a gathering: the fewest with whom it would be content.

It is worked out with the rule's own condition, so that what is shown as required is what the rule will judge by.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from core.campus import Campus
from core.facts import GatheringFacts
from core.world import World
from rules.language.scene import Scene
from rules.operators.hold import Hold
from rules.runnable import Rule

MOST: Final = 200
"""Beyond so many, it is not a matter of number."""


def fewest(rule: Rule, campus: Campus, facts: GatheringFacts, role: str, at: datetime) -> int | None:
    """Return the fewest of a role with whom a rule would not fire at an instant; None: no number contents it.

    0 where it asks for nobody: it is off, or not about this gathering.
    """
    if not isinstance(rule.operator, Hold):
        return 0
    for number in range(MOST + 1):
        world = World(campus)
        world.restore([replace(facts, counts={**facts.counts, role: number})])
        scene = Scene(campus, world, at, "gathering", facts.id, rule.params, at)
        params, mode = rule.settings(scene)
        if mode == "disabled" or not rule.scope.fits(scene):
            return 0
        scene.params = params
        if rule.operator.condition.run(scene) is not True:
            return number
    return None
