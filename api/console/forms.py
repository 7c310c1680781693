"""What people type into forms, read as the API reads it: the same schemas, the same refusals."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.campus import problems_of
from core.errors import BadInput

M = TypeVar("M", bound=BaseModel)


def read(schema: type[M], **said: Any) -> M:
    """Return what a form says as one of the API's schemas; a field left empty (None) is one that was left out."""
    try:
        return schema.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None
