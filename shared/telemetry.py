"""Metrics and traces: Prometheus metrics, OpenTelemetry when an endpoint is set.

FastAPI traces requests by itself once a provider of traces is set; the outbox and Kafka carry the trace
context on, so that one trace leads from a request to its counter.
"""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram, Info
from starlette.types import Scope

TRACING = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))

INTAKE_BATCH = Histogram(
    "antt_intake_batch", "Requests that shared one transaction.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
INTAKE_WAITING = Gauge("antt_intake_waiting", "Requests that wait for the writer.", ["service"])
RELAYED = Counter("antt_relayed_events", "Events that the relay has sent to Kafka.", ["source"])
COUNTED = Counter("antt_counted_events", "Events whose counting has committed.", ["source"])
COUNTING_LAG = Gauge(
    "antt_counting_lag_seconds",
    "How long ago the time lies up to which every commit of the source is counted.",
    ["source"],
)
HEARD_AT = Gauge(
    "antt_heard_at_seconds",
    "When a service last heard of a source whose events it follows, in seconds since 1970.",
    ["service", "source"],
)
APPENDED_TO = Gauge("antt_outbox_last_seq", "The last event of an outbox, as its relay sees it.", ["source"])
RELAYED_TO = Gauge(
    "antt_relayed_last_seq",
    "The last event that the relay has handed to Kafka; what the outbox's last is ahead of it is the backlog.",
    ["source"],
)
RELAYED_AT = Gauge(
    "antt_relayed_at_seconds",
    "When the relay last knew that Kafka has every event up to then, in seconds since 1970; what waits is younger.",
    ["source"],
)
CONNECTIONS = Gauge(
    "antt_database_connections", "Connections of the process to the service's database.", ["service", "state"]
)
CONNECTIONS_AWAITED = Gauge(
    "antt_database_waiting", "Who waits for a connection to the service's database.", ["service"]
)
DISK_FREE = Gauge("antt_disk_free_bytes", "Room that is left on the disk of a folder.", ["folder"])
BUILD = Info("antt_build", "What runs here.")
DEAD_LETTERS = Gauge("antt_dead_letters", "Events that could not be counted and wait to be replayed.")

# Of a batch's events so many are linked to its span; who traces more than that samples.
_MOST_LINKS = 1_000

# Of an address its query, and of its path what is neither ours nor an id: receipts, codes, whatever somebody tries. A route
# that is ours is named by `http.route`.
_FORGOTTEN = {
    "url.query": re.compile(".+", re.DOTALL),
    "url.path": re.compile(
        r"(?<=/)(?!(?:teams|incidents|stats|open311|v\d|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$))[^/]+"
    ),
}

log = structlog.get_logger()
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("antt")


@cache
def measure_machine(folders: tuple[Path, ...]) -> None:
    """Metrics of the build that runs, and of the room that is left beside these folders; one that is none gives NaN."""
    BUILD.info({"version": version("antt")})
    for folder in folders:
        DISK_FREE.labels(str(folder)).set_function(partial(_free, folder))


def _free(folder: Path) -> float:
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return float("nan")


@cache
def configure_traces() -> None:
    """Send spans where OTEL_EXPORTER_OTLP_ENDPOINT says, over HTTP; nothing happens without it.

    Only traces leave the process: FastAPI's own logs would carry the texts of exceptions, and with them maybe
    what a person wrote.
    """
    if not TRACING:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span, SpanLimits, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "antt")})

    class WithoutPersons(SpanProcessor):
        """What persons search for and what only they hold stays out of every span."""

        def on_start(self, span: Span, parent_context: Any = None) -> None:
            for attribute, forgotten in _FORGOTTEN.items():
                said = (span.attributes or {}).get(attribute)
                if isinstance(said, str):
                    span.set_attribute(attribute, forgotten.sub("…", said))

    # No events: they would carry the texts of exceptions.
    provider = TracerProvider(resource=name, span_limits=SpanLimits(max_links=_MOST_LINKS, max_events=0))
    provider.add_span_processor(WithoutPersons())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def traceparent() -> str | None:
    """The W3C trace context of the present request, None when tracing is off."""
    if not TRACING:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def name_span(scope: Scope) -> None:
    """Name the present request's span by its method and path, which is fixed; nothing when tracing is off."""
    if TRACING:
        span = trace.get_current_span()
        span.set_attribute("http.route", scope["path"])
        span.update_name(f"{scope['method']} {scope['path']}")


def batch_span(name: str, traceparents: Sequence[str | None]) -> AbstractContextManager[Any]:
    """A span over work on many events, linked to the request of each that was traced; nothing when tracing is off."""
    if not TRACING or not traceparents:
        return nullcontext()
    links = []
    for parent in dict.fromkeys(filter(None, traceparents)):
        context = trace.get_current_span(_propagator.extract({"traceparent": parent})).get_span_context()
        if context.trace_flags.sampled:
            links.append(trace.Link(context))
    return _tracer.start_as_current_span(
        name, kind=trace.SpanKind.CONSUMER, links=links, attributes={"messaging.batch.message_count": len(traceparents)}
    )
