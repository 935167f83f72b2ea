"""The HTTP side of counters (the thin path; widened next)."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.stats.counters import reading
from services.stats.indicators import INDICATORS
from shared.http import json_response

router = APIRouter(tags=["counters"])


@router.get("/counters")
async def counters(
    request: Request,
    unit: str,
    from_: Annotated[date, Query(alias="from")],
    to: date,
    known_at: date | None = None,
) -> Response:
    """The figures of one unit over one range, both days included."""
    async with request.app.state.service.database.connection() as connection:
        state = await reading.state(connection)
        assert state is not None
        names = [i.name for i in INDICATORS]
        found = await reading.figures(connection, state.set_id, names, [unit], from_, to, known_at)
    return json_response(
        {
            "unit": unit,
            "from": from_,
            "to": to,
            "counters": found[unit],
            "freshness": reading.freshness(state),
        }
    )
