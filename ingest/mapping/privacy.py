"""Personal data in a payload: what a mapping takes away, and what it puts a pseudonym in the place of.

A pseudonym is made with a key of the house: the same person gets the same one, and without the key nobody gets back.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from core.wire import Refused
from ingest.mapping import document as doc
from ingest.mapping.paths import MISSING, editor

_PSEUDONYM: Final = re.compile(r"p-[0-9a-f]{20}")


def pseudonym(value: Any, key: bytes) -> Any:
    """Return what stands for a value. Nobody (0, an empty text) and a pseudonym stand for themselves."""
    if value in (0, "0", ""):
        return value
    if isinstance(value, str) and _PSEUDONYM.fullmatch(value):
        return value
    text = value.strip().encode() if isinstance(value, str) else msgspec.json.encode(value)
    return f"p-{hmac.digest(key, text, 'sha256').hex()[:20]}"


def cleaner(document: doc.MappingDocument) -> Callable[[Any, bytes | None], None] | None:
    """Return the function that takes personal data out of a payload, in place; None where there is nothing to do.

    Without a key it raises Refused if pseudonyms are needed; what is to be dropped is gone then all the same.
    """
    drops = [editor(path) for path in document.drop]
    hides = [editor(path) for path in document.pseudonymise]
    if not drops and not hides:
        return None

    def clean(root: Any, key: bytes | None) -> None:
        for drop in drops:
            drop(root, _nothing)
        if hides and key is None:
            raise Refused("invalid_field: personal data: no key for pseudonyms is set")
        for hide in hides:
            hide(root, lambda value: pseudonym(value, key or b""))

    return clean


def _nothing(_value: Any) -> Any:
    return MISSING


def strip(document: doc.MappingDocument, root: Any) -> None:
    """Take out everything personal, in place, whether a pseudonym could be had or not."""
    for path in (*document.drop, *document.pseudonymise):
        editor(path)(root, _nothing)
