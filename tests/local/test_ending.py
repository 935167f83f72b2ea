"""Processes end in order at SIGTERM: balancers hear of it first, who asked is answered, streams end."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from deploy.local.sockets import free_port
from deploy.run import is_ready, programs
from services.stats import counting
from shared.access.secrets import make_secret
from shared.http import Answered
from shared.log import kafka
from shared.settings import Settings, settings
from tests.conftest import COMMUNE, TEAMS, eventually


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process does something of its own at a signal; of a container's first process others are dropped."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("command", [["relay", "incidents"], ["count"], ["work"]], ids=lambda command: command[0])
async def test_a_consumer_handles_sigterm_itself_and_ends_without_a_failure(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTT_DATA", str(tmp_path))
    monkeypatch.setenv("ANTT_LOG", "kafka")
    # Nothing answers there: it ends also while it waits for what it needs.
    monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    (tmp_path / "postgres.socket").write_text(str(tmp_path))
    settings.cache_clear()
    make_secret(settings())
    process = subprocess.Popen([sys.executable, "-m", "deploy.cli", *command])  # noqa: ASYNC220
    try:
        await eventually(lambda: process.poll() is not None or handles(process.pid, signal.SIGTERM), seconds=60)
        process.terminate()
        await eventually(lambda: process.poll() is not None, seconds=60)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("consumer", ["count", "relay"])
async def test_a_consumer_that_fails_while_it_is_ended_does_not_begin_again(
    consumer: str, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = 0

    async def fails(*_: Any) -> None:
        nonlocal began
        began += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("the connection went first") from None

    monkeypatch.setattr("services.stats.counting.consuming.run", fails)
    monkeypatch.setattr(kafka, "relay", fails)
    work = {
        "count": lambda: counting.count_for_ever(settings()),
        "relay": lambda: kafka.relay_for_ever(settings(), TEAMS),
    }
    working = asyncio.ensure_future(work[consumer]())
    await eventually(lambda: began)
    working.cancel()
    await asyncio.wait({working}, timeout=5)
    assert working.cancelled()
    assert began == 1


@contextmanager
def served(port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The three services on the test's databases as a process of its own; killed at the end."""
    command = [sys.executable, "-m", "deploy.cli", "serve", "all", "--port", str(port), *options]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_service_that_is_told_to_end_is_not_ready_first_then_closed_and_answers_all_in_flight(
    databases: dict[str, str],
) -> None:
    port = free_port()
    tip = b'{"unit": "%s", "content": "M\xe1\xba\xa5t xe"}' % COMMUNE.encode()
    head = b"POST /incidents/v1/tips HTTP/1.1\r\nhost: antt\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with served(port, "--drain-seconds", "2") as process:
        await eventually(lambda: all(is_ready(s, port) for s in ("teams", "incidents", "stats")), seconds=60)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head % len(tip) + tip[:10])
            question = {"unit": "2024:74", "from": "2024-07-01", "to": "2024-07-31"}
            async with http.stream("GET", "/stats/v1/live", params=question) as stream:
                assert stream.status_code == 200
                lines = stream.aiter_lines()
                assert await anext(lines)
                process.terminate()

                async def ready() -> int:
                    return (await http.get("/incidents/health/ready")).status_code

                async def not_ready() -> bool:
                    return await ready() == 503

                await eventually(not_ready, seconds=2)
                late = await http.post("/incidents/v1/tips", content=tip, headers={"content-type": "application/json"})
                assert late.status_code == 201
                # It ends in order, long before those in flight must have been answered.
                async with asyncio.timeout(15):
                    async for _ in lines:
                        pass
            with pytest.raises(httpx.ConnectError):
                async with httpx.AsyncClient() as another:
                    await another.get(f"http://127.0.0.1:{port}/incidents/health/live")
            assert process.poll() is None
            writer.write(tip[10:])
            async with asyncio.timeout(15):
                assert (await reader.readline()).startswith(b"HTTP/1.1 201")
            writer.close()
        await eventually(lambda: process.poll() is not None, seconds=30)


async def test_what_could_not_be_answered_in_time_is_a_problem_that_says_to_come_again() -> None:
    sent: list[Message] = []

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    answering = asyncio.ensure_future(Answered(never)(scope, receive, send))
    await asyncio.sleep(0)
    answering.cancel()
    await asyncio.wait({answering})
    assert answering.cancelled()
    assert sent[0]["status"] == 503
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert b"retry-after" in headers
    assert b"process-ended" in sent[1]["body"]


def test_a_local_run_lets_its_services_answer_before_it_kills_them() -> None:
    for log in ("embedded", "kafka"):
        table = programs({"teams": 1, "incidents": 2, "stats": 3}, 0, Settings(log=log, drain_seconds=7))
        serving = [program for program in table if "serve" in program.command]
        assert serving
        assert all(program.seconds_to_end > 7 + 30 for program in serving)
