"""What every measurement stands on: a real PostgreSQL and a real Kafka of its own, and processes as production runs them."""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any, get_args
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from deploy.local import child, kafka, postgres
from deploy.local.sockets import free_port
from migrations.run import migrate
from shared.access.issuer import make_issuer
from shared.access.secrets import make_secret
from shared.settings import Service, settings

# More than the server keeps of them (deploy/local/postgres.py).
_USED_SEGMENTS = 36
Measure = Callable[[], Awaitable[float]]
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


class Figure(msgspec.Struct, omit_defaults=True):
    """One line of var/bench.json. `ratio` is ours / baseline, of the medians of runs that took turns."""

    name: str
    per_second: float | None
    baseline: float | None
    ratio: float | None
    unit: str = "/s"
    # Ours in that unit, which is the same number as `per_second` where the unit is "/s".
    ours: float | None = None
    # Every run of every contender, in the order in which they took turns.
    runs: dict[str, list[float]] = {}
    # What else was seen, in words.
    note: str = ""
    quick: bool = False


def figure(name: str, runs: dict[str, list[float]], unit: str = "/s", note: str = "") -> Figure:
    """The figure of runs named "ours" and "baseline"; others are kept beside them."""
    ours, baseline = statistics.median(runs["ours"]), statistics.median(runs["baseline"])
    per_second = round(ours, 1) if unit == "/s" else None
    rounded = {contender: [round(value, 3) for value in values] for contender, values in runs.items()}
    return Figure(name, per_second, round(baseline, 3), round(ours / baseline, 3), unit, round(ours, 3), rounded, note)


class Stage:
    """The databases, the broker and the sizes of one run of the bench."""

    def __init__(self, data: Path, quick: bool) -> None:
        self.data = data
        self.quick = quick
        self.turns = 1 if quick else 3
        self.events = 20_000 if quick else 200_000
        self.seconds = 2.0 if quick else 8.0
        # What one measurement found or made and a later one needs.
        self.kept: dict[str, Any] = {}
        self._ends = ExitStack()
        self._bootstrap: str | None = None

    def __enter__(self) -> "Stage":
        """Start PostgreSQL, with a migrated database of each service as the templates of all others."""
        os.environ |= {"ANTT_DATA": str(self.data), "ANTT_PROVINCE": "2024:74", "ANTT_LOG_LEVEL": "warning"}
        # Set, they hold for loopback too: what is measured counts its strangers, and lets them all in.
        os.environ |= {"ANTT_ANONYMOUS_PER_MINUTE": "100000000", "ANTT_ANONYMOUS_PER_MINUTE_IN_ALL": "100000000"}
        settings.cache_clear()
        make_secret(settings())
        make_issuer(settings())
        self._ends.enter_context(postgres.running(self.data))
        for service in get_args(Service):
            migrate(settings(), service)
        if not self.quick:
            asyncio.run(self._age())
        return self

    async def _age(self) -> None:
        """Leave as many used segments of PostgreSQL's log as an installation has that has worked for a while."""
        socket = (self.data / "postgres.socket").read_text().strip()
        admin = await asyncpg.connect(f"postgresql:///postgres?host={socket}&user=antt")
        for _ in range(_USED_SEGMENTS):
            await admin.execute("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
        await admin.execute("CHECKPOINT")
        await admin.close()

    def __exit__(self, *error: object) -> None:
        """End all that was started."""
        self._ends.close()

    @property
    def bootstrap(self) -> str:
        """The broker's address; it is started by the first measurement that needs it, to leave the others alone."""
        if self._bootstrap is None:
            self._bootstrap = self._ends.enter_context(kafka.running(self.data))
        return self._bootstrap

    async def databases(self) -> dict[str, str]:
        """Fresh databases of the three services, as the environment of a process names them."""
        socket = (self.data / "postgres.socket").read_text().strip()
        admin = await asyncpg.connect(f"postgresql:///postgres?host={socket}&user=antt")
        environment = {}
        for service in get_args(Service):
            name = f"{service}_{uuid4().hex[:12]}"
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {service}")
            environment[f"ANTT_{service.upper()}_DATABASE_URL"] = f"postgresql:///{name}?host={socket}&user=antt"
        await admin.close()
        return environment

    async def empty_database(self) -> str:
        """A database without tables."""
        socket = (self.data / "postgres.socket").read_text().strip()
        admin = await asyncpg.connect(f"postgresql:///postgres?host={socket}&user=antt")
        name = f"empty_{uuid4().hex[:12]}"
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()
        return f"postgresql:///{name}?host={socket}&user=antt"

    def on_kafka(self, topics: str) -> dict[str, str]:
        """The environment of a process whose log is Kafka, on topics of this name."""
        return {"ANTT_LOG": "kafka", "ANTT_KAFKA_BOOTSTRAP": self.bootstrap, "ANTT_KAFKA_TOPICS": topics}

    async def take_turns(self, contenders: Mapping[str, Measure]) -> dict[str, list[float]]:
        """Measure each in turn, A B A B A B, so that whatever else the machine does hits all alike."""
        runs: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(self.turns):
            for name, measure in contenders.items():
                runs[name].append(await measure())
        return runs


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that runs until the end of the block."""
    command = child.command([sys.executable, *arguments], parent=os.getpid())
    running = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        try:
            async with asyncio.timeout(10):
                await running.wait()
        except TimeoutError:
            running.kill()
            await running.wait()


@asynccontextmanager
async def service(name: str, **environment: str) -> AsyncIterator[tuple[int, int]]:
    """A service as `antt serve` runs it, once it is ready; its port and its process's number. "all": all three."""
    port = free_port()
    async with process("-m", "deploy.cli", "serve", name, "--port", str(port), **environment) as running:
        for each in get_args(Service) if name == "all" else (name,):
            await _answers(port, f"/{each}/health/ready", running)
        yield port, running.pid


@asynccontextmanager
async def app(factory: str, **environment: str) -> AsyncIterator[int]:
    """An application of the bench, served exactly as a service is; its port."""
    port = free_port()
    async with process("-m", "uvicorn", "--factory", factory, "--port", str(port), *UVICORN, **environment) as running:
        await _answers(port, "/", running)
        yield port


async def _answers(port: int, path: str, running: asyncio.subprocess.Process) -> None:
    """Wait until a server answers; one that is asked for its readiness must be ready."""
    seen = "nothing"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while running.returncode is None:
                try:
                    answer = await client.get(f"http://127.0.0.1:{port}{path}")
                    if answer.status_code == 200 or path == "/":
                        return
                    seen = answer.text
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise RuntimeError(f"{path} is not ready after a minute, it answers {seen}") from None
    raise RuntimeError(f"the server of {path} ended at its start")


async def job(module: str, *arguments: str, **environment: str) -> dict[str, float]:
    """Run one of the bench's own jobs in a process of its own; what it found, as it printed it."""
    command = child.command([sys.executable, "-m", module, *arguments], parent=os.getpid())
    running = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, stdout=PIPE)
    output, _ = await running.communicate()
    if running.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed")
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found
