"""What a mail server said, read from Apprise's log lines: they name the code only there.

In mail, 4xx means "not now" and 5xx "never", the other way round than in HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

_CODE: Final = re.compile(r"\((\d{3}), b['\"]")
_TALKED: Final = ("Sending email to", "Connection error while submitting email")


def is_mail(service: Any) -> bool:
    """Return whether an Apprise service speaks SMTP itself."""
    return hasattr(service, "smtp_host")


def judge(lines: Sequence[str]) -> tuple[Literal["unknown", "failed", "refused"], str] | None:
    """Return what became of a letter that was not accepted, and why; None where it was no letter."""
    if not any(word in line for line in lines for word in _TALKED):
        return None
    said = next((line for line in reversed(lines) if line.startswith("Socket Exception")), "")
    if match := _CODE.search(said):
        return ("refused" if match[1].startswith("5") else "failed"), f"the mail server answered {match[1]}"
    in_mid_letter = any("Sending email to" in line for line in lines)
    if "timed out" in said and in_mid_letter:
        return "unknown", "the mail server did not answer; the letter may have arrived"
    return "failed", "the mail server broke off" if in_mid_letter else "no connection to the mail server"
