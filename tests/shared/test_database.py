"""One process at a time: who loses the lock ends, and the next one goes on."""

import asyncio

import asyncpg
import pytest

from shared import database
from shared.database import one_at_a_time
from tests.conftest import eventually


async def test_who_loses_the_lock_ends_and_the_next_goes_on(databases: dict[str, str]) -> None:
    url, began = databases["incidents"], [asyncio.Event(), asyncio.Event()]
    pids: list[int] = []

    async def work(number: int) -> None:
        async with one_at_a_time(url, "7399, 1") as holder:
            pids.append(holder.get_server_pid())
            began[number].set()
            await asyncio.Event().wait()

    first = asyncio.create_task(work(0))
    await began[0].wait()
    second = asyncio.create_task(work(1))
    admin = await asyncpg.connect(url)
    await admin.execute("SELECT pg_terminate_backend($1)", pids[0])
    with pytest.raises(ConnectionError, match="7399"):
        await first
    await began[1].wait()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    # Nobody holds it now, once the server has seen the connection go.
    await eventually(lambda: admin.fetchval("SELECT pg_try_advisory_lock(7399, 1)"))
    await admin.close()


async def test_a_lock_whose_connection_no_longer_answers_is_lost(
    databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LOOK_SECONDS", 0.05)
    with pytest.raises(ConnectionError):
        async with one_at_a_time(databases["incidents"], "7399, 2") as holder:
            # As long as this lasts, another question on the same connection has no answer.
            await holder.execute("SELECT pg_sleep(3600)")


async def test_what_goes_wrong_meanwhile_is_told_as_it_is(databases: dict[str, str]) -> None:
    for error in (TimeoutError("mine"), ValueError("mine")):
        with pytest.raises(type(error), match="mine"):
            async with one_at_a_time(databases["incidents"], "7399, 3"):
                raise error
