"""The pages, a file each: what is read for it, and what its forms do. A page is served by being named here."""

from __future__ import annotations

from api.console.pages import alerts, board, campus_map, events, rule_edits, rules, visits

PAGES = (board, campus_map, visits, events, alerts, rules, rule_edits)
