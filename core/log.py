"""Logs: an event name and key-values, one JSON object a line; in a terminal, the same for the eye."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str = "info", *, plain: bool | None = None) -> None:
    """Set logging up for the whole process; `plain` forces lines for the eye (True) or JSON (False)."""
    number = getattr(logging, level.upper())
    for_eyes = sys.stderr.isatty() if plain is None else plain
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]  # never local variables
        if for_eyes
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    # Apprise logs the URLs it is given, passwords included.
    logging.getLogger("apprise").disabled = True
