"""Run by Alembic: the connection is handed over by `app.migrate`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, BigInteger

from core.database import UtcTime

OURS = ((UtcTime, "UtcTime", "UtcTime()"), (JSON, "Json", "Json"), (BigInteger, "BigId", "BigId"))
"""Column types as the rows name them: (class, name, how it is written)."""


def render_item(type_: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Write our own column types by their names in a new revision."""
    if type_ != "type":
        return False
    for kind, name, spelled in OURS:
        if isinstance(item, kind):
            autogen_context.imports.add(f"from core.database import {name}")
            return spelled
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    render_as_batch=True,
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=False,
)
context.run_migrations()
