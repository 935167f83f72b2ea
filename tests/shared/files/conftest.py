"""What the tests of files share: the job that sweeps, and a look into the database that has the files."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.incidents import app as incidents
from shared.service import Service
from shared.settings import settings


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a test sweeps when it means to; that the job does it is a test of faults."""

    async def idle(service: Service) -> None:
        await asyncio.Event().wait()

    monkeypatch.setitem(incidents.JOBS, "attachments sweep", idle)


@pytest.fixture
async def rows(databases: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A look into the database."""
    connection = await asyncpg.connect(databases["incidents"])
    yield connection
    await connection.close()


@pytest.fixture
async def service(databases: dict[str, str]) -> AsyncIterator[Service]:
    """What the job that sweeps is given."""
    service = Service("incidents", settings())
    await service.database.open()
    yield service
    await service.database.close()
