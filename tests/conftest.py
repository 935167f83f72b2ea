"""What tests stand on: a real PostgreSQL, fresh databases for each test, and the three services on one address."""

import asyncio
import os
import tempfile
from calendar import monthrange
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

import asyncpg
import httpx
import hypothesis
import pytest
from starlette.types import ASGIApp, Message
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

import tests.third_edition
from deploy.local import kafka, postgres, s3
from migrations.run import migrate
from shared import units
from shared.access.issuer import issue_token, make_issuer
from shared.access.permissions import LEVELS, Scope, TokenRole
from shared.access.secrets import make_secret
from shared.days import today
from shared.log import Source, sources_of
from shared.logs import configure_logs
from shared.settings import Service, Settings, settings
from tests.fresh import Databases

pytest_plugins = ["tests.left_out"]

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("antt", deadline=None)
hypothesis.settings.load_profile("antt")

PROVINCE = "2024:74"
TEAMS, INCIDENTS = Source(PROVINCE, "teams", own=True), Source(PROVINCE, "incidents", own=True)
COMMUNE = "2025:25942"  # a commune of today's edition that the province served became
OLD_COMMUNE = "2024:25942"
# From the month of the tests' facts to the end of the one in which they run, were it the next before they end.
_LAST_DAY = today() + timedelta(days=1)
WHOLE_MONTHS = {
    "from": "2025-11-01",
    "to": _LAST_DAY.replace(day=monthrange(_LAST_DAY.year, _LAST_DAY.month)[1]).isoformat(),
}


_FAULTS = "tests/faults/"


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """One worker has the installations whose processes are killed, and begins with them; each other file is one worker's."""

    def _split_scope(self, nodeid: str) -> str:
        return _FAULTS if nodeid.startswith(_FAULTS) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Which worker gets which tests. (xdist's groups say nothing to pytest 9.2, which makes a test's name anew.)"""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest begin."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FAULTS))


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """A data folder with a running server, its three databases migrated and kept as templates."""
    with tempfile.TemporaryDirectory(prefix="antt-test-") as folder:
        data = Path(folder)
        data.chmod(0o755)
        os.environ |= {"ANTT_DATA": str(data), "ANTT_PROVINCE": PROVINCE}
        settings.cache_clear()
        make_secret(settings())
        make_issuer(settings())
        # `make test-postgres17` names another server than the wheel's.
        postgres.BINARIES = Path(os.environ.get("TESTS_POSTGRES", postgres.BINARIES))
        with postgres.running(data):
            # Copying a database flushes each of its files, which took most of a test's time. Nothing here pulls the plug:
            # what is killed with kill -9 keeps what the kernel has.
            asyncio.run(flush(data, "off"))
            for service in get_args(Service):
                migrate(settings(), service)
            yield data


@pytest.fixture(scope="session")
def fresh(data: Path) -> Databases:
    """The databases of this session."""
    return Databases(_server(data))


@pytest.fixture
async def databases(fresh: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """Databases as the migrations leave them; the settings name them for as long as the test runs."""
    names = await fresh.take()
    urls = {service: fresh.url(name) for service, name in names.items()}
    for service, url in urls.items():
        monkeypatch.setenv(f"ANTT_{service.upper()}_DATABASE_URL", url)
    settings.cache_clear()
    yield urls
    settings.cache_clear()
    await fresh.give_back(names)


async def flush(data: Path, whether: Literal["on", "off"]) -> None:
    """Whether the server flushes what it commits; it does so, or not, for every connection made from now on."""
    server = Databases(_server(data))
    await server.as_admin([f"ALTER SYSTEM SET fsync = {whether}"], ["SELECT pg_reload_conf()"])

    async def obeys() -> bool:
        connection = await asyncpg.connect(server.url("postgres"))
        shown = await connection.fetchval("SHOW fsync")
        await connection.close()
        return bool(shown == whether)

    await eventually(obeys)


def _server(data: Path) -> str:
    return f"host={(data / 'postgres.socket').read_text().strip()}&user=antt"


class Antt:
    """The three services as a client of theirs sees them."""

    # Where they are in this process.
    app: ASGIApp

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    def token(
        self, role: TokenRole = "commune_officer", unit: str = "", team: str = "", scopes: Collection[str] | None = None
    ) -> dict[str, str]:
        """The header that names a caller, of the commune or the province unless told; another system has all scopes."""
        unit = unit or (PROVINCE if LEVELS.get(role) == "province" else COMMUNE)
        if scopes is None:
            scopes = get_args(Scope) if role == "system" else ()
        return {"Authorization": f"Bearer {issue_token(settings(), role, unit, team, scopes=scopes)}"}

    async def get(self, path: str, caller: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """A GET; `from_` stands for `from`."""
        return await self.http.get(path, params={k.rstrip("_"): v for k, v in query.items()}, headers=caller)

    async def post(
        self, path: str, body: Any = None, caller: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        """A POST of JSON; further headers by keyword, `_` for `-`."""
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json={} if body is None else body, headers={**(caller or {}), **extra})

    async def counters(self, counted: str | None = None, unit: str = "2025:79", **period: str) -> dict[str, int]:
        """The counters of a unit, of `WHOLE_MONTHS` unless told, once the position is counted."""
        query = {"unit": unit, **WHOLE_MONTHS, **{k.rstrip("_"): v for k, v in period.items()}}
        if counted:
            query["counted"] = counted
        answer = await self.http.get("/stats/v1/counters", params=query, headers=self.token("operator", PROVINCE))
        assert answer.status_code == 200, answer.text
        counters: dict[str, int] = answer.json()["counters"]
        return counters


_addresses = iter(IPv4Network("127.1.0.0/16").hosts())


@asynccontextmanager
async def called(app: ASGIApp) -> AsyncIterator[Antt]:
    """A client that calls from an address of its own: who guesses receipts is stopped by address, for a minute."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(str(next(_addresses)), 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://antt") as http:
        antt = Antt(http)
        antt.app = app
        yield antt


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Start an application and end it, as a server does."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    running: asyncio.Task[None] = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, incoming.get, outgoing.put)  # type: ignore[arg-type]
    )
    await incoming.put({"type": "lifespan.startup"})
    started = await outgoing.get()
    assert started["type"] == "lifespan.startup.complete", started
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        await outgoing.get()
        await running


@pytest.fixture(scope="session")
def broker(data: Path) -> Iterator[str]:
    """A real Kafka broker, started by the first test that needs it."""
    with kafka.running(data) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    """A real S3 server with the bucket `antt`, started by the first test that needs it."""
    with s3.running(tmp_path_factory.mktemp("s3"), "antt") as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def stored_in(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Settings for a store of its own for each test, in a folder and in S3: the two that are."""
    if request.param == "s3":
        server: s3.S3Server = request.getfixturevalue("s3_server")
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ANTT_STORE", f"s3://antt/{uuid4().hex}")
    else:
        (tmp_path / "store").mkdir()
        monkeypatch.setenv("ANTT_STORE", (tmp_path / "store").as_uri())
    settings.cache_clear()
    yield request.param
    settings.cache_clear()


@pytest.fixture
def kafka_log(broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings for a log over the broker, with topics that no other test uses."""
    monkeypatch.setenv("ANTT_LOG", "kafka")
    monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", broker)
    monkeypatch.setenv("ANTT_KAFKA_TOPICS", f"antt-{uuid4().hex[:8]}")
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@pytest.fixture
async def antt_on_kafka(databases: dict[str, str], kafka_log: Settings) -> AsyncIterator["Antt"]:
    """The three services on fresh databases, with relays and a consumer on a real broker, in this process."""
    from services.stats.counting import count_for_ever
    from shared.log.kafka import relay_for_ever

    app = application()
    async with lifespan(app):
        beside = [asyncio.create_task(relay_for_ever(kafka_log, source)) for source in sources_of(kafka_log)]
        beside.append(asyncio.create_task(count_for_ever(kafka_log)))
        async with called(app) as antt:
            yield antt
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def application() -> ASGIApp:
    """The three services as these settings have them; to put one together takes as long as most tests, so it is kept."""
    # As putting it together would do: a command that ran in this process may have been silent.
    configure_logs(settings().log_level)
    return _application(
        settings().model_dump_json(exclude={f"{service}_database_url" for service in get_args(Service)})
    )


@lru_cache(maxsize=4)
def _application(_: str) -> ASGIApp:
    from deploy.embedded import create_app

    return create_app()


@pytest.fixture
async def antt(databases: dict[str, str]) -> AsyncIterator[Antt]:
    """The three services on fresh databases, on the embedded log, in this process."""
    app = application()
    async with lifespan(app), called(app) as antt:
        yield antt


@pytest.fixture(scope="session")
def third_edition_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of three editions."""
    return tests.third_edition.write(tmp_path_factory.mktemp("editions"))


@pytest.fixture
def third_edition(third_edition_files: Path) -> Iterator[Callable[[], object]]:
    """What makes the register that of three editions, until the test is over."""
    yield lambda: units.load(third_edition_files)
    units.load()


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait for a condition, which may be a coroutine function; its value, once that is true."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)
