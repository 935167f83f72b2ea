"""One service's PostgreSQL: its pool of connections, and locks that one process holds at a time.

A database that is gone is DatabaseUnavailable, and the pool connects again by itself. A commit whose answer was lost may
have happened; its Idempotency-Key was written in the same transaction, so a repeated request finds it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import asyncpg
import msgspec

from shared.days import now
from shared.errors import DatabaseUnavailable

# Beyond that nothing is recorded (`outbox_clocks_agree` in the database, outbox.ClocksDiffer).
CLOCKS_MAY_DIFFER = timedelta(seconds=5)

# How often who has a turn looks whether the lock is still held, and how long the answer may take.
_LOOK_SECONDS = 10

# What a gone, stopping or refusing server raises; the same request may be tried again.
UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TransactionTimeoutError,
    # No connection left, no memory, no disk.
    asyncpg.InsufficientResourcesError,
    # A connection whose server has just said goodbye, and that is not yet closed.
    asyncpg.InternalClientError,
)


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def _keep(connection: asyncpg.Connection) -> None:
    """A connection goes back to the pool as it is."""


class Database:
    """A pool of connections to the service's own database; no service opens another's."""

    def __init__(self, url: str, connections: int, transaction_seconds: int) -> None:
        self.url = url
        self._connections = connections
        self._transaction_seconds = transaction_seconds
        self.pool: asyncpg.Pool
        # Who waits for a connection, for none is free.
        self.waiting = 0

    async def open(self) -> None:
        """Make the pool. The first who asks connects, so that a process may start before its server does."""
        self.pool = await asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self._connections,
            init=_prepare,
            # Nothing here changes a session, so that a connection needs no round trip to forget it.
            reset=_keep,
            server_settings={
                "transaction_timeout": f"{self._transaction_seconds}s",
                "timezone": "UTC",
                "jit": "off",
            },
        )

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self.pool.close()

    def connections(self) -> tuple[int, int]:
        """How many connections the pool has, and how many of them are idle."""
        pool = getattr(self, "pool", None)
        return (pool.get_size(), pool.get_idle_size()) if pool is not None else (0, 0)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool; a server that is gone is `DatabaseUnavailable`."""
        try:
            self.waiting += 1
            try:
                connection = await self.pool.acquire(timeout=5)
            finally:
                self.waiting -= 1
            try:
                # The pool's proxy stands for the connection in all that we use of it.
                yield cast(asyncpg.Connection, connection)
            finally:
                await self.pool.release(connection)
        except (*UNAVAILABLE, TimeoutError) as error:
            raise DatabaseUnavailable() from error

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows of a query."""
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows

    async def fetchrow(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of a query, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *arguments)


async def clocks_apart(connection: asyncpg.Connection) -> timedelta:
    """How far the clocks of this machine and of the database differ at least."""
    asked = now()
    there = await connection.fetchval("SELECT clock_timestamp()")
    # The question takes time too: the database's clock lies between ours before and after.
    apart: timedelta = max(asked - there, there - now())
    return apart


@asynccontextmanager
async def one_at_a_time(url: str, key: str) -> AsyncIterator[asyncpg.Connection]:
    """What one process does at a time: wait for the advisory lock of this key (SQL), and hold it.

    The lock goes with its connection, so that another process goes on the moment this one ends. What is done meanwhile
    is ended with ConnectionError once the lock is lost: its connection was closed, or does not answer.
    """
    holder = await asyncpg.connect(url)
    until = asyncio.timeout(None)

    def lose(*_: object) -> None:
        until.reschedule(0)

    try:
        await holder.execute(f"SELECT pg_advisory_lock({key})")
        async with until:
            holder.add_termination_listener(lose)
            looking = asyncio.create_task(_look(holder))
            looking.add_done_callback(lose)
            try:
                yield holder
            finally:
                holder.remove_termination_listener(lose)
                looking.remove_done_callback(lose)
                looking.cancel()
    except TimeoutError as error:
        if until.expired():
            raise ConnectionError(f"the lock {key} was lost") from error
        raise
    finally:
        holder.terminate()


async def _look(holder: asyncpg.Connection) -> None:
    """Ask for a sign of life now and then; ends when there is none."""
    with suppress(Exception):
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await holder.execute("SELECT 1", timeout=_LOOK_SECONDS)
