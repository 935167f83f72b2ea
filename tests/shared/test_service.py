"""The supervision of background tasks, and what a service needs to be ready."""

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import get_args

import pytest

from deploy.local.sockets import free_port
from services.incidents.app import create_app as create_incidents
from services.stats.counting import count_for_ever
from shared.service import Service
from shared.settings import Service as ServiceName
from shared.settings import settings
from tests.conftest import COMMUNE, Antt, called, eventually, lifespan
from tests.stats.writing import sql

SERVICES = get_args(ServiceName)


@pytest.mark.parametrize("fails", [True, False])
async def test_a_task_that_answers_its_cancellation_otherwise_does_not_keep_the_service_from_ending(
    databases: dict[str, str], fails: bool
) -> None:
    service = Service("incidents", settings())
    began: list[bool] = []

    async def stubborn(service: Service) -> None:
        began.append(True)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        if fails:
            raise ConnectionError("the connection went first")

    supervised = asyncio.create_task(service.supervise("stubborn", stubborn))
    # Supervision watches a new task for a second; only then does it wait for nothing else.
    await asyncio.sleep(1.1)
    supervised.cancel()
    await asyncio.wait({supervised}, timeout=3)
    assert supervised.cancelled()
    assert len(began) == 1


async def test_services_and_consumers_that_start_before_their_server_go_on_once_it_is_there(
    databases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.embedded import create_app

    socket = Path(databases["stats"].partition("host=")[2].partition("&")[0])
    # A local run's own folder, whose server is still to come.
    shutil.copytree(settings().keys, tmp_path / "keys")
    (tmp_path / "postgres.socket").write_text(str(tmp_path))
    monkeypatch.setenv("ANTT_DATA", str(tmp_path))
    for service, url in databases.items():
        monkeypatch.setenv(f"ANTT_{service.upper()}_DATABASE_URL", url.replace(str(socket), str(tmp_path)))
    settings.cache_clear()
    app = create_app()
    consumer = asyncio.create_task(count_for_ever(settings()))
    async with lifespan(app), called(app) as antt:
        tip = {"unit": COMMUNE, "content": "Mất trộm"}
        assert (await antt.post("/incidents/v1/tips", tip)).status_code == 503
        assert "database" in (await antt.get("/incidents/health/status")).json()["down"]
        assert (await antt.get("/incidents/health/live")).status_code == 200
        assert not consumer.done()
        (tmp_path / ".s.PGSQL.5432").symlink_to(socket / ".s.PGSQL.5432")

        async def taken() -> str | None:
            answer = await antt.post("/incidents/v1/tips", tip)
            return answer.headers["antt-position"] if answer.status_code == 201 else None

        position = str(await eventually(taken))

        async def ready() -> bool:
            return (await antt.get("/stats/health/ready")).status_code == 200

        await eventually(ready)
        assert (await antt.counters(position))["tips_received"] >= 1
        assert not consumer.done()
    consumer.cancel()
    await asyncio.gather(consumer, return_exceptions=True)


async def whether_ready(antt: Antt, service: str = "incidents") -> bool:
    answer = await antt.get(f"/{service}/health/ready")
    assert answer.json() == {"status": "ready" if answer.status_code == 200 else "down"}
    return answer.status_code == 200


async def what_is_down(antt: Antt, service: str = "incidents") -> dict[str, str]:
    found: dict[str, str] = (await antt.get(f"/{service}/health/status")).json()["down"]
    return found


async def test_without_a_log_what_can_accept_and_answer_is_ready_and_the_status_tells_what_is_missing(
    databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.embedded import create_app

    monkeypatch.setenv("ANTT_LOG", "kafka")
    monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    settings.cache_clear()
    app = create_app()
    async with lifespan(app), called(app) as antt:
        # From the first instant on.
        assert [await whether_ready(antt, service) for service in SERVICES] == [True] * 3
        await eventually(lambda: is_told(antt, "incidents", "known teams"))
        await eventually(lambda: is_told(antt, "stats", "log"))
        assert [await whether_ready(antt, service) for service in SERVICES] == [True] * 3
        assert (await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Mất trộm"})).status_code == 201
        assert (await antt.get("/incidents/health/status")).json()["status"] == "ready"
        await sql("stats", "UPDATE counter_sets SET serving = false")
        assert not await whether_ready(antt, "stats")


async def is_told(antt: Antt, service: str, what: str) -> bool:
    return what in await what_is_down(antt, service)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE alembic_version SET version_num = 'incidents_0001'", "database"),
        ("DELETE FROM alembic_version", "database"),
        ("ALTER TABLE alembic_version RENAME TO elsewhere", "database"),
        ("UPDATE secret_check SET value = '\\x00'", "secret"),
    ],
)
async def test_a_service_that_its_database_does_not_fit_is_not_ready(antt: Antt, statement: str, what: str) -> None:
    assert await whether_ready(antt)
    await sql("incidents", statement)
    assert not await whether_ready(antt)
    assert await is_told(antt, "incidents", what)


async def test_while_a_deployment_goes_over_to_newer_code_the_older_is_ready(antt: Antt) -> None:
    await sql("incidents", "UPDATE alembic_version SET version_num = 'incidents_9999'")
    assert await whether_ready(antt)


async def test_a_service_whose_connections_are_all_in_use_is_ready(databases: dict[str, str]) -> None:
    app = create_incidents()
    async with lifespan(app), called(app) as antt, AsyncExitStack() as held:
        for _ in range(settings().database_connections):
            await held.enter_async_context(app.state.service.database.connection())
        assert await whether_ready(antt)


async def test_a_service_that_writes_nothing_any_more_is_not_ready(databases: dict[str, str]) -> None:
    app = create_incidents()
    async with lifespan(app), called(app) as antt:
        app.state.service.down["writer"] = "KeyError: 'x'"
        assert not await whether_ready(antt)
        del app.state.service.down["writer"]
        app.state.service.down["known teams"] = "KeyError: 'x'"
        assert await whether_ready(antt)
