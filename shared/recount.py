"""A service's figures counted anew from its own tables, for `antt verify`, while writes go on.

Each service counts its indicators once more, as SQL that shares nothing with the counting. All of it
is read from one snapshot, whose position in the outbox comes first, so that `antt verify` can add what
was written since.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.database import Database
from shared.errors import DatabaseUnavailable, Forbidden, Unauthenticated
from shared.http import Reader, problems
from shared.settings import settings

POSITION = """
SELECT (SELECT max(generation) FROM outbox_generations) AS generation,
  (SELECT coalesce(max(seq), 0) FROM outbox) AS seq,
  (SELECT id::text FROM outbox WHERE seq = $1) AS event_id
"""
_CELLS_AT_ONCE = 5_000
_encode = msgspec.json.Encoder().encode_lines


class Lines(StreamingResponse):
    """Lines of JSON, sent as they are counted; the counting ends with the answer, also when the client has gone."""

    media_type = "application/x-ndjson"

    def __init__(self, first: bytes, others: AsyncGenerator[bytes, None]) -> None:
        async def lines() -> AsyncGenerator[bytes, None]:
            yield first
            async for more in others:
                yield more

        super().__init__(lines())
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with aclosing(self._others):
            await super().__call__(scope, receive, send)


def recount_router(statements: Mapping[str, str]) -> APIRouter:
    """The route that counts anew. `statements`: for each indicator of the service, SQL for rows (unit, day, count)."""
    router = APIRouter(tags=["recount"], responses=problems(Unauthenticated, Forbidden, DatabaseUnavailable))

    @router.get("/recount", status_code=200, response_class=Lines)
    async def recount(reader: Reader, counted: int = 0) -> Lines:
        """This service's figures counted anew from its tables, as lines of JSON (application/x-ndjson).

        The first line is the outbox's position in the snapshot that all others are counted from:
        `{"generation", "seq", "event_id"}`, the last of the event at seq `counted`, by which who has counted that far
        sees that it is the same outbox; then a line for each cell that is not zero: `{"unit", "on", "indicator",
        "count"}`, in the unit that the record names, not spread to others.
        """
        reader.caller.require("recount", settings().province)
        lines = _count_anew(reader.database, statements, counted)
        # The snapshot is taken before the answer begins, so that a database that is down is a 503.
        return Lines(await anext(lines), lines)

    return router


async def _count_anew(database: Database, statements: Mapping[str, str], counted: int) -> AsyncGenerator[bytes, None]:
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        # Counting years may outlast what a writer is given, and holds nobody up.
        await connection.execute("SET LOCAL transaction_timeout = 0")
        yield _encode([dict(row) for row in await connection.fetch(POSITION, counted)])
        # One statement for each indicator keeps its rows few in memory; all of them see the same snapshot.
        for indicator, sql in statements.items():
            cursor = await connection.cursor(sql)
            while rows := await cursor.fetch(_CELLS_AT_ONCE):
                yield _encode([{"unit": unit, "on": on, "indicator": indicator, "count": n} for unit, on, n in rows])
