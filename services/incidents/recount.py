"""A recount of this service's own tables, for `antt verify`: SQL that shares nothing with the counting.

It knows neither events nor indicators' definitions: each figure is told once more, in SQL over what
the tables hold. Days of activities and tips come from their raw instants, not from stored days.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.auth import Caller
from shared.database import Database
from shared.errors import DatabaseUnavailable, Forbidden, Unauthenticated
from shared.http import problems

RECEIVED_ON = "(received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
STARTED_ON = "(started_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"

# For every indicator of incidents: rows of (unit, day, count).
RECOUNT: dict[str, str] = {
    "tips_received": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips WHERE state <> ALL ('{{withdrawn,merged}}') GROUP BY 1, 2""",
    "tips_from_force": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips
        WHERE state <> ALL ('{{withdrawn,merged}}') AND supplied_by = 'team' GROUP BY 1, 2""",
    "tips_from_citizens": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips
        WHERE state <> ALL ('{{withdrawn,merged}}') AND supplied_by = 'citizen' GROUP BY 1, 2""",
    "tips_resolved": """
        SELECT unit, closed_on, count(*) FROM tips
        WHERE state IN ('resolved', 'notified') AND closed_on IS NOT NULL GROUP BY 1, 2""",
    "tips_rejected": """
        SELECT unit, closed_on, count(*) FROM tips WHERE state = 'rejected' GROUP BY 1, 2""",
    "cases_found": """
        SELECT unit, found_on, count(*) FROM cases GROUP BY 1, 2""",
    "cases_found_via_tips": """
        SELECT unit, found_on, count(tip_id) FROM cases WHERE tip_id IS NOT NULL GROUP BY 1, 2""",
    "cases_found_by_patrol": """
        SELECT unit, found_on, count(patrol_id) FROM cases WHERE patrol_id IS NOT NULL GROUP BY 1, 2""",
    "cases_resolved": """
        SELECT unit, resolved_on, count(*) FROM cases WHERE state = 'resolved' GROUP BY 1, 2""",
    "cases_resolved_via_tips": """
        SELECT unit, resolved_on, count(*) FROM cases WHERE state = 'resolved' AND tip_id IS NOT NULL GROUP BY 1, 2""",
    "patrols": f"""
        SELECT unit, {STARTED_ON}, count(*) FROM activities
        WHERE kind = 'patrol' AND state = 'confirmed' GROUP BY 1, 2""",
    "traffic_control_turns": f"""
        SELECT unit, {STARTED_ON}, sum(turns) FROM activities
        WHERE kind = 'traffic_control' AND state = 'confirmed' GROUP BY 1, 2""",
    "security_duties": f"""
        SELECT unit, {STARTED_ON}, count(*) FROM activities
        WHERE kind = 'security_duty' AND state = 'confirmed' GROUP BY 1, 2""",
}

# One statement for each indicator keeps its rows few in memory; all of them see the same snapshot.
POSITION = """
SELECT (SELECT max(generation) FROM outbox_generations) AS generation,
  (SELECT coalesce(max(seq), 0) FROM outbox) AS seq
"""
_CELLS_AT_ONCE = 5_000
_encode = msgspec.json.Encoder().encode_lines

router = APIRouter(tags=["recount"], responses=problems(Unauthenticated, Forbidden, DatabaseUnavailable))


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


@router.get("/recount", status_code=200, response_class=Lines)
async def recount(caller: Caller, request: Request) -> Lines:
    """This service's figures counted anew from its tables, as lines of JSON (application/x-ndjson).

    The first line is the outbox's position in the snapshot that all others are counted from:
    `{"generation", "seq"}`; then a line for each cell that is not zero: `{"unit", "on", "indicator",
    "count"}`, in the unit that the record names, not spread to others.
    """
    caller.require("recount", "")
    lines = count_anew(request.app.state.service.database)
    # The snapshot is taken before the answer begins, so that a database that is down is a 503.
    return Lines(await anext(lines), lines)


async def count_anew(database: Database) -> AsyncGenerator[bytes, None]:
    """The lines of the recount: the position, then the cells, all from one snapshot."""
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        # Counting years may outlast what a writer is given, and holds nobody up.
        await connection.execute("SET LOCAL transaction_timeout = 0")
        yield _encode([dict(row) for row in await connection.fetch(POSITION)])
        for indicator, sql in RECOUNT.items():
            cursor = await connection.cursor(sql)
            while rows := await cursor.fetch(_CELLS_AT_ONCE):
                yield _encode([{"unit": unit, "on": on, "indicator": indicator, "count": n} for unit, on, n in rows])
