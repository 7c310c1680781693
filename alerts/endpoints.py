"""Whether the endpoints of a campus are such as notices can be sent to: looked at before they are stored.

A URL that is wrong must be heard of from whoever writes it, not from whoever was not told.
"""

from __future__ import annotations

from alerts import channels
from core.campus import Campus
from core.errors import Problem


def problems_of(campus: Campus, *, allow_private: bool, known: Campus | None = None) -> list[Problem]:
    """Return what is wrong with the endpoints' URLs, those left out that the campus as `known` has already."""
    before = {each.url for person in known.people for each in person.endpoints} if known else set()
    return [
        Problem(problem.message, f"people[{place}].endpoints[{number}].url")
        for place, person in enumerate(campus.people)
        for number, each in enumerate(person.endpoints)
        if each.url not in before
        for problem in channels.validate(each.url, allow_private=allow_private)
    ]
