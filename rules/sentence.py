"""A rule in plain English, made from what was read, so that it cannot say anything else than the rule does."""

from __future__ import annotations

from core.campus import write_duration
from rules.runnable import Rule


def sentence(rule: Rule) -> str:
    """Return the rule in plain English."""
    what = rule.operator.say(rule.params)
    parts = [f"{rule.title}: when {what}"]
    active = rule.active
    if active is not None and active.calendar is not None:
        parts.append(f"{'outside of' if active.invert else 'within'} {active.calendar.replace('_', ' ')} time")
    if active is not None and active.during is not None:
        parts.append("during a gathering")
    if active is not None and active.campus_state:
        parts.append(f"while the campus is in {' or '.join(active.campus_state)}")
    if rule.frame.clear is not None:
        parts.append(f"until {rule.frame.clear.say(rule.params)}")
    if rule.frame.quiet is not None:
        parts.append(f"until it has been quiet for {rule.frame.quiet.say(rule.params)}")
    steps = (each.severity + (f" after {write_duration(each.after)}" if each.after else "") for each in rule.ladder)
    return f"{', '.join(parts)}; {', then '.join(steps)}."
