"""The OpenAPI document: what every operation has in common is written into it here, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from api import errors
from api.idempotency import HEADER, LONGEST
from api.schemas import ProblemDetails

PREFIX: Final = "/api/v1"
_WRITES: Final = ("post", "put", "patch", "delete")
PROBLEMS: Final[dict[int, str]] = {
    401: "Nobody is signed in",
    403: "Signed in, and not allowed to",
    404: "There is no such thing, or none that this caller may know of",
    409: "Not possible now; `detail` says why",
    422: "What was sent cannot be used; `problems` says why",
    429: "Asked too often; `Retry-After` says how long to wait",
    503: "The database, or another part, cannot be reached; nothing has happened",
}
_OF_WRITES: Final[dict[int, str]] = {413: "The body is larger than 1 MiB"}
_KEY: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A fresh word for each thing to be done. Sent again, it is not done again: the answer is the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[ -~]+$"},
}


_WRITTEN: Final[dict[str, Any]] = {}
"""The document of this process: every application has the same routes, and writing it takes a second."""


def complete(app: FastAPI) -> None:
    """Let an application describe itself with what its operations have in common."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if not _WRITTEN:
            _WRITTEN.update(_completed(plain()))
        return _WRITTEN

    app.openapi = described  # type: ignore[method-assign] # the place that FastAPI names for this


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    for path, method, operation in _operations(document):
        if path.startswith((PREFIX, "/hooks/", "/a/")):
            _add_problems(operation, method)
        if path.startswith(PREFIX):
            _add_key(operation, method)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _add_problems(operation: dict[str, Any], method: str) -> None:
    known = PROBLEMS | (_OF_WRITES if method in _WRITES else {})
    if any(each["name"].lower() == "if-match" for each in operation.get("parameters", ())):
        known |= {412: "`If-Match` names another state than the present one"}
    for status, words in known.items():
        said = operation["responses"].get(str(status), {"description": words})
        said["content"] = {errors.MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
        operation["responses"][str(status)] = said


def _add_key(operation: dict[str, Any], method: str) -> None:
    if method in _WRITES:
        operation.setdefault("parameters", []).append(_KEY)
