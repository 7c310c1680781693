"""The rules in force, each in plain English beside its document."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.schemas import RuleShown
from rules import store
from rules.runnable import Rule
from rules.sentence import sentence

router = APIRouter(tags=["rules"])


@router.get("/rules")
async def list_rules(session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 100) -> Page[RuleShown]:
    """Return the latest version of every rule, in the order of their ids."""
    rest = [rule for rule in await store.load_rules(session) if after is None or rule.id > after]
    shown, following = piece(rest, limit, lambda rule: rule.id)
    return Page(items=[_shown(rule) for rule in shown], next=following)


def _shown(rule: Rule) -> RuleShown:
    return RuleShown(
        id=rule.id,
        version=rule.version,
        title=rule.title,
        mode=rule.mode,
        severity=rule.ladder[0].severity,
        sentence=sentence(rule),
        document=dict(rule.document),
    )
