"""The JSON Schemas of what people write, by name: for editors, and for whoever wants to check before sending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from alerts.policies import Policy
from core.campus import Campus
from core.messages import KINDS
from ingest.mapping import mapping_schema
from rules.rule import rule_schema
from simulators.scenarios import scenario_schema


def message_schema() -> dict[str, Any]:
    """Return the schema of every kind of message as it is journalled, by its kind."""
    _, components = msgspec.json.schema_components(list(KINDS.values()), ref_template="#/$defs/{name}")
    kinds = [{"title": kind, "$ref": f"#/$defs/{cls.__name__}"} for kind, cls in KINDS.items()]
    return {"title": "Message", "oneOf": kinds, "$defs": components}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "rule": rule_schema,
    "campus": Campus.model_json_schema,
    "policy": Policy.model_json_schema,
    "mapping": mapping_schema,
    "message": message_schema,
    "scenario": scenario_schema,
}
