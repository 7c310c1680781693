"""OpenTelemetry, where the environment asks for it: the spans of `core.spans`, sent out over OTLP/HTTP.

The standard's own variables configure it (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`,
…). Without an endpoint the packages that do it are not even imported: they are an extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from structlog.contextvars import bound_contextvars

from core.errors import BadInput, Problem
from core.spans import SILENT, Span, Spans, Value

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as Written

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN: Final = "http/protobuf"
STANDARD: Final = {"method": "http.request.method", "route": "http.route", "status": "http.response.status_code"}
PREFIX: Final = "hallwatch."
TIMEOUT: Final = "OTEL_EXPORTER_OTLP_TIMEOUT"
PATIENCE_S: Final = 3
"""How long a collector is waited for, unless the variable says otherwise; so long may the end of the service take."""


def configured(environment: Mapping[str, str]) -> Spans:
    """Return what makes the spans that the environment asks for; SILENT where it asks for none.

    Raises BadInput where it asks for what cannot be had.
    """
    endpoint = next((name for name in ENDPOINTS if environment.get(name)), None)
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if endpoint is None or off:
        return SILENT
    protocol = next((name for name in PROTOCOLS if environment.get(name, SPOKEN) != SPOKEN), None)
    if protocol is not None:
        raise BadInput([Problem(f"{environment[protocol]!r} is not spoken here; {SPOKEN} is", where=protocol)])
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        how = "install it (pip install 'hallwatch[telemetry]'), or take the variable away"
        raise BadInput([Problem(f"asks for traces, and the extra `telemetry` is missing: {how}", endpoint)]) from None
    about = {"service.version": version("hallwatch")}
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        about["service.name"] = "hallwatch"
    # At the end it is closed by us, within a time that we choose.
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    patience = None if environment.get(TIMEOUT) else PATIENCE_S
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=patience)))
    return Telemetry(provider)


class Telemetry:
    """Makes spans for OpenTelemetry. Their ids stand in every line of the log that is written meanwhile."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("hallwatch", version("hallwatch"))

    @contextmanager
    def span(self, name: str, **facts: Value | None) -> Iterator[Span]:
        """Begin a span, and end it with the block."""
        # What an exception says may name people and addresses; its type does not.
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as begun:
            ids = begun.get_span_context()
            found = _Span(begun)
            found.note(**facts)
            with bound_contextvars(trace=f"{ids.trace_id:032x}", span=f"{ids.span_id:016x}"):
                try:
                    yield found
                except Exception as error:
                    found.fail(type(error).__name__)
                    raise

    def close(self) -> None:
        """Hand over what is still here, and end."""
        self._provider.shutdown()


class _Span:
    def __init__(self, begun: Written) -> None:
        self._begun = begun

    def note(self, **facts: Value | None) -> None:
        """Add what is known about it, under the standard's names where it has any, else under ours."""
        for name, value in facts.items():
            if value is not None:
                self._begun.set_attribute(STANDARD.get(name, f"{PREFIX}{name}"), value)

    def rename(self, name: str) -> None:
        """Call it something else than it began as."""
        self._begun.update_name(name)

    def fail(self, why: str) -> None:
        """Say that it did not come to a good end."""
        from opentelemetry.trace import Status, StatusCode

        self._begun.set_status(Status(StatusCode.ERROR, why))
