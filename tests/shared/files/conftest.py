"""What the tests of files share: what a sweep is given, and a look into the database that has the files.

A test that sweeps has a store of its own (`stored_in`): what others left in theirs would be swept too.
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.service import Service
from shared.settings import settings


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
