"""Errors that people read: what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with something a person wrote.

    `where` is the field (`doors[3].zone`), `file` and `line` say where it stands, if it came from a file.
    """

    message: str
    where: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.file and self.line else "")
        return ": ".join(part for part in (place, self.where, self.message) if part)


class HallwatchError(Exception):
    """The base of every error we raise on purpose; `status` is what an HTTP answer would carry."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"


class BadInput(HallwatchError):
    """Somebody's document, message or argument cannot be used; `problems` says why, one line each."""

    status = 422
    title = "Cannot use this input"

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        found = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in found))
        self.problems: Sequence[Problem] = found


class Unauthorized(HallwatchError):
    """Nobody is signed in, or the token is not one of ours."""

    status = 401
    title = "Sign in first"


class Forbidden(HallwatchError):
    """The one who asks is known, and may not do this."""

    status = 403
    title = "Not allowed"


class NotFound(HallwatchError):
    """There is no such thing."""

    status = 404
    title = "Not found"


class Conflict(HallwatchError):
    """The thing exists, and the move asked for is not possible in its present state."""

    status = 409
    title = "Not possible now"


class TooLarge(HallwatchError):
    """More bytes than we take."""

    status = 413
    title = "Too large"


class TooMany(HallwatchError):
    """Asked too often; `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(HallwatchError):
    """Something we stand on (the database, the broker) is not there at the moment."""

    status = 503
    title = "Not available now"
