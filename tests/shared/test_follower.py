"""A service that follows another's events, in several processes."""

import asyncio

import asyncpg

from shared.log import Record, follow_events
from shared.service import Service
from shared.settings import settings
from tests.conftest import TEAMS, Antt, eventually
from tests.incidents.conftest import a_team


async def test_processes_that_follow_the_same_events_take_each_in_once_and_none_fails(
    antt: Antt, databases: dict[str, str]
) -> None:
    taken: list[str] = []

    async def apply(connection: asyncpg.Connection, records: list[Record]) -> None:
        # Each has read the same events before one of them writes.
        await asyncio.sleep(0)
        taken.extend(record.id for record in records)

    services = [Service("incidents", settings()) for _ in range(3)]
    for service in services:
        await service.database.open()
    following = [asyncio.create_task(follow_events(service, TEAMS, apply)) for service in services]
    for _ in range(5):
        await a_team(antt)
    teams = await asyncpg.connect(databases["teams"])
    incidents = await asyncpg.connect(databases["incidents"])
    last = await teams.fetchval("SELECT max(seq) FROM outbox")
    await eventually(lambda: incidents.fetchval("SELECT seq = $1 FROM followed WHERE source = 'teams'", last))
    assert not any(task.done() for task in following)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for service in services:
        await service.database.close()
    for connection in (teams, incidents):
        await connection.close()
