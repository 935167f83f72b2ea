"""What an operator sees from outside: metrics of every process, and one trace from a request to its counter."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from deploy.embedded import create_app
from deploy.local.sockets import free_port
from shared import management
from shared.days import now
from shared.service import Service
from shared.settings import settings
from tests.collector import collecting
from tests.conftest import COMMUNE, Antt, called, eventually, lifespan
from tests.stats.writing import sql

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a collector of spans, and what has come."""
    with collecting() as collector:
        yield collector


def spans(came: list[bytes]) -> Iterator[Any]:
    """The spans of what has come."""
    for body in came:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans


@pytest.fixture
def traced(databases: dict[str, str], collector: tuple[str, list[bytes]]) -> Iterator[str]:
    """The address of a process with the three services that sends its spans to the collector."""
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector[0], "OTEL_BSP_SCHEDULE_DELAY": "50"}
    server = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "serve", "all", "--port", str(port)], env={**os.environ, **environment}
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


async def test_a_tips_trace_leads_to_its_counter(traced: str, collector: tuple[str, list[bytes]]) -> None:
    async with httpx.AsyncClient(base_url=traced) as http:

        async def ready() -> bool:
            try:
                return (await http.get("/incidents/health/live")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, seconds=60)
        tip = {"unit": COMMUNE, "content": "Gây rối trật tự"}
        answer = await http.post(
            "/incidents/v1/tips", json=tip, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        )
        assert answer.status_code == 201
        await http.get("/incidents/v1/tips", params={"text": "Nguyen Van An"})
        await http.get("/incidents/v1/tips/acknowledgements/0123456789ABCDEF")

    def found(name: str) -> Any:
        return next((span for span in spans(collector[1]) if span.name == name), None)

    request = await eventually(lambda: found("POST /incidents/v1/tips"))
    counted = await eventually(lambda: found("count incidents"))
    assert request.trace_id.hex() == TRACE
    assert [(link.trace_id.hex(), link.span_id) for link in counted.links] == [(TRACE, request.span_id)]
    await eventually(lambda: found("GET /incidents/v1/tips"))
    await eventually(lambda: found("GET /incidents/v1/tips/acknowledgements/{code}"))
    for said in ("Gây rối", "Nguyen", "0123456789ABCDEF"):
        assert said not in str([*spans(collector[1])]), "no span carries what a person wrote, searches for, or holds"


async def test_metrics_tell_what_is_taken_in_and_counted(antt: Antt) -> None:
    def value(text: str, name: str) -> float:
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    before = (await antt.get("/incidents/metrics")).text
    answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"})
    await antt.counters(answer.headers["antt-position"])

    async def counted() -> str | None:
        now = (await antt.get("/incidents/metrics")).text
        name = 'antt_counted_events_total{source="incidents"}'
        return now if value(now, name) == value(before, name) + 1 else None

    after = await eventually(counted)
    assert value(after, "antt_intake_batch_count") == value(before, "antt_intake_batch_count") + 1
    assert value(after, 'antt_intake_waiting{service="incidents"}') == 0
    assert value(after, 'antt_counting_lag_seconds{source="incidents"}') < 60
    assert "antt_dead_letters 0.0" in after
    assert 'route="/tips",service="incidents",status="201"' in after


async def test_metrics_tell_how_many_connections_are_open_and_idle_and_who_waits_for_one(
    databases: dict[str, str],
) -> None:
    database, most = Service("teams", settings()).database, settings().database_connections
    names = [("connections", "open"), ("connections", "idle"), ("waiting", "")]

    def pool() -> list[float | None]:
        return [
            REGISTRY.get_sample_value(
                f"antt_database_{name}", {"service": "teams"} | ({"state": state} if state else {})
            )
            for name, state in names
        ]

    assert pool() == [0, 0, 0]
    await database.open()
    async with AsyncExitStack() as held:
        for _ in range(most):
            await held.enter_async_context(database.connection())
        reading = [asyncio.create_task(database.fetch("SELECT 1")) for _ in range(3)]
        await eventually(lambda: pool() == [most, 0, 3])
    await asyncio.gather(*reading)
    assert pool() == [most, most, 0]
    await database.close()


async def test_the_relay_tells_up_to_when_kafka_has_every_event(antt_on_kafka: Antt) -> None:
    def at() -> float:
        return REGISTRY.get_sample_value("antt_relayed_at_seconds", {"source": "incidents"}) or 0.0

    position = (await antt_on_kafka.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Mất xe máy"})).headers[
        "antt-position"
    ]
    seq = int(position.rpartition(":")[2])
    [event] = await sql("incidents", "SELECT recorded_at FROM outbox WHERE seq = $1", seq)
    await eventually(lambda: at() >= event["recorded_at"].timestamp())
    assert at() <= now().timestamp()


def metrics_at(port: int) -> str | None:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return None


async def test_with_a_management_port_a_services_own_port_tells_no_metrics_and_not_what_is_down(
    databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("ANTT_MANAGEMENT_PORT", str(port))
    settings.cache_clear()
    app = create_app()
    async with lifespan(app), called(app) as antt:
        await eventually(lambda: metrics_at(port))
        for service in ("teams", "incidents", "stats"):
            for path in ("metrics", "health/status"):
                assert (await antt.get(f"/{service}/{path}")).status_code == 404, path
            ready = await antt.get(f"/{service}/health/ready")
            assert ready.json().keys() == {"status"}
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as operators:
                assert (await operators.get(f"/{service}/metrics")).status_code == 200
                told = (await operators.get(f"/{service}/health/status")).json()
                assert told.keys() == {"status", "down", "heard_at"}
                assert (await operators.get(f"/{service}/v1/docs")).status_code == 404


async def test_a_process_without_http_serves_its_metrics_and_lives_on_where_the_port_is_taken() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        management.serve("127.0.0.1", other.getsockname()[1])
    management.serve("127.0.0.1", port)
    told = str(await eventually(lambda: metrics_at(port)))
    assert "antt_relayed_events" in told
    assert f'antt_build_info{{version="{version("antt")}"}} 1.0' in told
