"""A deadline that passes is recorded exactly once: whichever processes look, whatever is killed, however long nobody looked."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from services.incidents.deadlines.commands import miss_passed
from shared.days import now
from shared.outbox import Writer
from shared.service import Service
from shared.settings import settings
from tests.conftest import COMMUNE, eventually

MANY = 1_000
# What `antt work` does beside the other jobs, in a process that can be killed.
JOB = """
import asyncio
from services.incidents.deadlines.commands import record_missed
from shared import service
asyncio.run(service.work({"incidents": {"deadlines": record_missed}}))
"""


async def passed(databases: dict[str, str], how_many: int = MANY) -> asyncpg.Connection:
    """Put so many tips into the tables, whose deadlines have passed one after the other while nobody looked."""
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute(
        """INSERT INTO tips (id, unit, content, channel, named, handled_by, supplied_by, state, received_at, received_on,
          receipt_hash, recorded_by, version)
        SELECT uuidv7(), $1, 'x', 'web', false, $1, 'citizen', 'received', $2, $2::timestamptz::date,
          int8send(n), 'anyone', 1 FROM generate_series(1, $3::int) n""",
        COMMUNE,
        now() - timedelta(days=30),
        how_many,
    )
    await connection.execute(
        """INSERT INTO deadlines (id, tip_id, name, round, unit, handled_by, difficult, starts_at, due_at, complex, state,
          to_do, version)
        SELECT gen_random_uuid(), id, 'classification', 1, unit, unit, false, received_at,
          received_at + random() * interval '20 days', false, 'running', true, 1 FROM tips"""
    )
    return connection


async def recorded(connection: asyncpg.Connection) -> list[str]:
    """Of which deadlines it was recorded that they are missed, in the order of the outbox."""
    return [
        r["subject"]
        for r in await connection.fetch("SELECT subject FROM outbox WHERE type = 'DeadlineMissed' ORDER BY seq")
    ]


async def in_order(connection: asyncpg.Connection) -> list[str]:
    """All deadlines in the order in which they ended."""
    return [str(r["id"]) for r in await connection.fetch("SELECT id FROM deadlines ORDER BY due_at, id")]


@asynccontextmanager
async def a_writer() -> AsyncIterator[Writer]:
    """A process's writer, with connections of its own."""
    service = Service("incidents", settings())
    await service.database.open()
    running = asyncio.create_task(service.writer.run())
    try:
        yield service.writer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await service.database.close()


async def test_after_an_outage_all_that_passed_is_recorded_in_the_order_of_the_ends(databases: dict[str, str]) -> None:
    connection = await passed(databases)
    async with a_writer() as writer:
        while await miss_passed(writer):
            pass
    assert await recorded(connection) == await in_order(connection)
    states = await connection.fetch("SELECT DISTINCT state, to_do, version FROM deadlines")
    assert [tuple(row) for row in states] == [("missed", True, 2)]
    await connection.close()


async def test_of_two_that_look_at_once_one_records(databases: dict[str, str]) -> None:
    connection = await passed(databases)
    async with a_writer() as one, a_writer() as other:

        async def look(writer: Writer) -> None:
            while await miss_passed(writer):
                pass

        await asyncio.gather(look(one), look(other), look(one))
    assert sorted(await recorded(connection)) == sorted(await in_order(connection))
    await connection.close()


@pytest.mark.parametrize("after", [1, 250])
async def test_a_job_killed_in_the_middle_records_each_once(databases: dict[str, str], after: int) -> None:
    connection = await passed(databases, 3_000)
    everything = await in_order(connection)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", JOB], env={**os.environ, "ANTT_INTAKE_BATCH": "50"})

    async def at_least(how_many: int) -> bool:
        return len(await recorded(connection)) >= how_many

    killed = start()
    await eventually(lambda: at_least(after), seconds=60)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(await recorded(connection)) < len(everything)
    next_one = start()
    try:
        await eventually(lambda: at_least(len(everything)), seconds=60)
    finally:
        next_one.kill()
        next_one.wait()
    assert await recorded(connection) == everything
    await connection.close()
