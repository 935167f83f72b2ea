"""The supervision of background tasks."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from services.stats.counting import count_for_ever
from shared.service import Service
from shared.settings import settings
from tests.conftest import COMMUNE, called, eventually, lifespan


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
