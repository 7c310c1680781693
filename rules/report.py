"""Makes a Finding of a signal: the words, the reasons, and whether it comes late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from core.campus import Campus
from core.findings import Advice, Finding
from rules.language.explain import plain
from rules.language.scene import Scene
from rules.operators.moment import Evidence
from rules.runnable import Rule
from rules.saved import SavedState
from rules.spell import Signal

LATE_AFTER: Final = timedelta(seconds=10)
"""A finding known later than this is marked late: a fire alarm, too, is allowed 10 s from detection to notification
(NFPA 72), and nothing in normal running comes near it."""


def report(rule: Rule, key: str, signal: Signal, scene: Scene, known: datetime) -> Finding:
    """Return the finding that a signal is, as it could be known at `known`."""
    late = known - signal.at - signal.wait > LATE_AFTER
    return Finding(
        campus=scene.campus.id,
        rule=rule.id,
        version=rule.version,
        key=key,
        entity=rule.entity,
        state=signal.state,
        at=signal.at,
        severity=rule.ladder[min(signal.spell.level, len(rule.ladder) - 1)].severity,
        mode=signal.spell.mode,
        exercise=signal.spell.exercise,
        late=late,
        late_by_s=(known - signal.at).total_seconds() if late else 0.0,
        title=rule.title,
        text=rule.text.fill(scene),
        because=_because(rule, signal, scene),
        advice=Advice(
            policy=rule.alert.policy,
            do=tuple(rule.alert.do),
            cooldown_s=rule.alert.cooldown.total_seconds(),
            group=rule.alert.group,
            latch=rule.alert.latch,
            srp=rule.alert.srp,
        ),
    )


def farewell(campus: Campus, saved: SavedState, signal: Signal) -> Finding:
    """Return the end of a finding whose rule is not there any more: its words and its severity are gone with it."""
    return Finding(
        campus=campus.id,
        rule=saved.rule,
        key=saved.key,
        entity=saved.entity,
        state=signal.state,
        at=signal.at,
        severity="minor",
        mode=signal.spell.mode,
        exercise=signal.spell.exercise,
        title=saved.rule,
        text=f"The rule {saved.rule} no longer runs",
        because={"rule": saved.rule, "messages": [], "values": {}, **signal.more},
    )


def _because(rule: Rule, signal: Signal, scene: Scene) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "version": rule.version,
        "params": {name: plain(value) for name, value in scene.params.items()},
        "messages": [_shown(each) for each in signal.evidence],
        "values": signal.values,
        **signal.more,
    }


def _shown(evidence: Evidence) -> dict[str, Any]:
    shown = {
        "kind": evidence.kind,
        "key": evidence.key,
        "at": plain(evidence.at),
        "message_id": evidence.message_id,
    }
    return shown if evidence.exercise == "live" else shown | {"exercise": evidence.exercise}
