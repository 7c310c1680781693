"""Other makers' devices: a mapping says in a document, without code, what their messages mean.

match -> decode -> fan out -> pick -> translate -> emit. Only paths and tables. The first mapping that fits reads a
message; a value that no table lists goes to quarantine with its reason and is never guessed at.
"""

from __future__ import annotations

from ingest.mapping.examples import run_examples
from ingest.mapping.files import Mapping, filters, mapping_schema, read_mappings, shipped

__all__ = ["Mapping", "filters", "mapping_schema", "read_mappings", "run_examples", "shipped"]
