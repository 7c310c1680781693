"""The pages, a file each: what is read for it, and what its forms do. A page is served by being named here."""

from __future__ import annotations

from api.console.pages import (
    alerts,
    audit,
    board,
    calendar,
    campus_map,
    devices,
    events,
    me,
    people,
    policies,
    quarantine,
    quiet,
    reports,
    rule_edits,
    rules,
    system,
    users,
    visits,
)

PAGES = (
    *(board, campus_map, visits, events, alerts, quiet),
    *(rules, rule_edits, people, policies, calendar),
    *(devices, quarantine, reports, audit, system, users, me),
)
