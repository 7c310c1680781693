"""The pages, a file each: what is read for it, and what its forms do. A page is served by being named here."""

from __future__ import annotations

from api.console.pages import board, rule_edits, rules

PAGES = (board, rules, rule_edits)
