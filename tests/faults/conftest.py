"""What the tests of faults share: a whole `antt run`, clients that don't give up, and what is found afterwards."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest

from deploy.local import child
from deploy.local.sockets import free_port
from deploy.run import pids, supervisor
from services.stats.proof.verify import verify
from shared.settings import Service, Settings
from tests.conftest import COMMUNE, PROVINCE, eventually
from tests.local.conftest import children_of

CLIENTS = 8
# Generous, for a machine that many share; nothing waits for longer than it must.
PATIENCE = 180
# Every month since the commune exists, whenever these tests run.
EVER = {"from": "2025-07-01", "to": "2999-12-31"}
COUNTED = ["tips_received", "tips_from_citizens"]


class Installation:
    """One `antt run` on a data folder, and all that its clients were told they had written."""

    def __init__(self, data: Path, log: Literal["embedded", "kafka"]) -> None:
        self.data, self.log, self.port = data, log, free_port()
        # The ports after the first one belong to the other services.
        self.ports: dict[Service, int] = {
            service: self.port + (number if log == "kafka" else 0) for number, service in enumerate(get_args(Service))
        }
        self.acknowledged: set[str] = set()
        self.position = 0
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ANTT_")}
        self.environment = {**ours, "ANTT_PROVINCE": PROVINCE, "ANTT_LOG_SILENCE_SECONDS": "4"}
        self._run: subprocess.Popen[bytes] | None = None

    def url(self, service: Service) -> str:
        """Where a service answers."""
        return f"http://localhost:{self.ports[service]}/{service}"

    @property
    def settings(self) -> Settings:
        """The settings with which its programs run."""
        port = self.data / "kafka.port"
        bootstrap = f"127.0.0.1:{port.read_text().strip()}" if port.exists() else ""
        return Settings(
            data=self.data,
            log=self.log,
            province=PROVINCE,
            kafka_bootstrap=bootstrap,
            teams_url=f"http://localhost:{self.ports['teams']}",
            incidents_url=f"http://localhost:{self.ports['incidents']}",
        )

    def start(self) -> int:
        """Run it; the process of its supervisor."""
        command = [sys.executable, "-m", "deploy.cli", "run", "--data", str(self.data)]
        command += ["--port", str(self.port), "--log", self.log]
        with (self.data / "run.log").open("ab") as log:
            # It ends with the tests, also where somebody ends them by kill -9.
            program = child.command(command, parent=os.getpid())
            self._run = subprocess.Popen(program, stdout=log, stderr=log, env=self.environment)
        return self._run.pid

    def end(self) -> None:
        """Stop it, and whatever of it does not stop."""
        if self._run is None or self._run.poll() is not None:
            return
        everything = [*children_of(self._run.pid), psutil.Process(self._run.pid)]
        self._run.terminate()
        try:
            self._run.wait(timeout=60)
        finally:
            for each in everything:
                with suppress(psutil.NoSuchProcess):
                    each.kill()

    def kill_supervisor(self) -> list[psutil.Process]:
        """kill -9 of the one process that the others hang on; what it had started."""
        assert self._run is not None
        started = children_of(self._run.pid)
        self._run.kill()
        self._run.wait()
        return started

    def kill(self, program: str) -> int:
        """kill -9 of one program; the process it was."""
        pid = pids(self.data)[program]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def kill_and_await_the_next(self, program: str) -> None:
        """kill -9 of one program, until the supervisor has started it again and all is ready."""
        killed = self.kill(program)
        await eventually(lambda: pids(self.data).get(program, killed) != killed, seconds=PATIENCE)
        await self.ready()

    async def ready(self) -> None:
        """Wait until every service can do its work."""

        async def all_up() -> bool:
            try:
                return not any([await self.down(service) for service in self.ports])
            except httpx.HTTPError:
                return False

        await eventually(all_up, seconds=PATIENCE)

    async def down(self, service: Service) -> dict[str, str]:
        """What a service says is down."""
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.get(f"{self.url(service)}/health/status")
        down: dict[str, str] = answer.json()["down"]
        return down

    def stop(self, program: str) -> None:
        """Have the supervisor stop a program, and leave it so."""
        with supervisor(self.data) as its:
            its.stopProcess(program)

    def start_again(self, program: str) -> None:
        """Have the supervisor start a program that it stopped."""
        with supervisor(self.data) as its:
            its.startProcess(program, False)

    @contextmanager
    def beside(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """One more program of this installation, which its supervisor does not know; killed at the end."""
        # Where the broker is, and that there is one, it finds out itself.
        known = {"ANTT_DATA": str(self.data)}
        with (self.data / "logs" / "beside.log").open("ab") as log:
            program = [sys.executable, "-m", "deploy.cli", *command]
            running = subprocess.Popen(program, stdout=log, stderr=log, env=self.environment | known)
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    @asynccontextmanager
    async def connection(self, service: Service) -> AsyncIterator[asyncpg.Connection]:
        """A look into a service's database."""
        connection = await asyncpg.connect(self.settings.database_url(service))
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def tips_coming_in(self) -> AsyncIterator[None]:
        """Clients that report tips as fast as they are answered; at the end each has been told what it wrote."""
        enough = asyncio.Event()
        async with httpx.AsyncClient(base_url=self.url("incidents"), timeout=60) as http, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._report_tips(http, enough))
            try:
                yield
            finally:
                enough.set()

    async def _report_tips(self, http: httpx.AsyncClient, enough: asyncio.Event) -> None:
        while not enough.is_set():
            await self.report_tip(http)

    async def report_tip(self, http: httpx.AsyncClient) -> None:
        """Report one tip, with the same Idempotency-Key until it is acknowledged."""
        tip, key = {"unit": COMMUNE, "content": "Mất xe máy"}, {"Idempotency-Key": str(uuid4())}
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer = await http.post("/v1/tips", json=tip, headers=key)
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 201:
                    break
                # A client may rely on this: whatever else it is told names the time after which to come again.
                assert "retry-after" in answer.headers, answer.text
                await asyncio.sleep(0.2)
        assert answer.json()["id"] not in self.acknowledged
        self.acknowledged.add(answer.json()["id"])
        self.position = max(self.position, int(answer.headers["antt-position"].split(":")[2]))

    async def more_acknowledged(self, number: int = 100) -> None:
        """Wait until so many more tips were acknowledged."""
        enough = len(self.acknowledged) + number
        await eventually(lambda: len(self.acknowledged) >= enough, seconds=PATIENCE)

    async def counters(self) -> dict[str, int] | None:
        """The province's counters, None until all that was acknowledged is counted."""
        query = {"unit": "2025:79", "indicator": COUNTED, "counted": f"incidents:1:{self.position}", **EVER}
        async with httpx.AsyncClient(timeout=10) as http:
            try:
                answer = await http.get(f"{self.url('stats')}/v1/counters", params=query)
            except httpx.TransportError:
                return None
        if answer.status_code == 503:
            return None
        assert answer.json()["freshness"]["uncounted"] == 0
        counters: dict[str, int] = answer.json()["counters"]
        return counters

    async def require_each_counted_once(self) -> None:
        """What was acknowledged is in the database and in the counters, all of it, once, and nothing else is."""
        counters = await eventually(self.counters, seconds=PATIENCE)
        async with self.connection("incidents") as connection:
            tips = {str(row["id"]) for row in await connection.fetch("SELECT id FROM tips")}
            told = [
                row["subject"] for row in await connection.fetch("SELECT subject FROM outbox WHERE type LIKE 'Tip%'")
            ]
        assert tips == self.acknowledged
        assert sorted(told) == sorted(tips)
        assert counters == dict.fromkeys(COUNTED, len(tips))
        async with httpx.AsyncClient(timeout=60) as http:
            verified = await verify(self.settings, http)
        assert verified.right, verified


@contextmanager
def installed(data: Path, log: Literal["embedded", "kafka"], **environment: str) -> Iterator[Installation]:
    """An installation that runs, and nothing of it afterwards."""
    installation = Installation(data, log)
    installation.environment |= environment
    installation.start()
    try:
        yield installation
    finally:
        installation.end()
        shutil.rmtree((data / "postgres.socket").read_text().strip(), ignore_errors=True)


@pytest.fixture(scope="session")
def on_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A process for each service, relay, consumer, and a broker."""
    with installed(tmp_path_factory.mktemp("on_kafka"), "kafka") as installation:
        yield installation


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All services in one process, and PostgreSQL."""
    with installed(tmp_path_factory.mktemp("embedded"), "embedded") as installation:
        yield installation


@pytest.fixture
async def kafka_installation(on_kafka: Installation) -> Installation:
    """The one on Kafka, ready."""
    await on_kafka.ready()
    return on_kafka


@pytest.fixture
async def installation(request: pytest.FixtureRequest) -> Installation:
    """The one that the test's parameter names, ready."""
    named: Installation = request.getfixturevalue(request.param)
    await named.ready()
    return named
