"""Logs, metrics and traces: structured logs to standard output, Prometheus metrics, OpenTelemetry when an endpoint is set.

FastAPI traces requests by itself once OTEL_EXPORTER_OTLP_ENDPOINT is set; the outbox and Kafka carry
the trace context on, so that one trace leads from a request to its counter.
"""

import logging
import os

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACING = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))

_propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("antt")


def configure_logs(level: str) -> None:
    """JSON lines on standard output; never a request's body, a receipt or a token."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )


def traceparent() -> str | None:
    """The W3C trace context of the present request, None when tracing is off."""
    if not TRACING:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
