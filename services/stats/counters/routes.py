"""The HTTP side of counters: one unit and one range, a series, the units below, and changes as they happen."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.stats.counters import answering
from services.stats.counters.permissions import Permitted, permitted, permitted_breakdown, public_indicators
from services.stats.counters.schemas import (
    BreakdownOut,
    CountersOut,
    Figures,
    FiguresAnswer,
    IndicatorOut,
    Series,
    SeriesOut,
)
from services.stats.indicators import INDICATORS, Flow
from shared.errors import Forbidden, NotYetCounted, Unauthenticated
from shared.http import QueryRoute, Reader, problems

router = APIRouter(
    tags=["counters"], route_class=QueryRoute, responses=problems(Unauthenticated, Forbidden, NotYetCounted)
)
streams = APIRouter(tags=["counters"], responses=problems(Unauthenticated, Forbidden, NotYetCounted))
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "the figures are those of If-None-Match"}}


@streams.get("/indicators")
async def indicators() -> list[IndicatorOut]:
    """Every indicator: its name, its Vietnamese name, what it counts in, whether it is a flow or a stock, and public."""
    public = public_indicators()
    return [
        IndicatorOut(
            name=i.name,
            vietnamese=i.vietnamese,
            unit=i.unit,
            nature="flow" if isinstance(i, Flow) else "stock",
            public=i.name in public,
        )
        for i in INDICATORS
    ]


@router.get("/counters", response_model=CountersOut, responses=_UNCHANGED)
async def counters(query: Annotated[Figures, Query()], reader: Reader) -> Response:
    """The figures of one unit over one range, both days included.

    Without a token, and for callers of another area: public indicators of the province in whole months, as known now or
    at the end of a month.
    """
    return _answer(await answering.counters(reader.service, permitted(reader.caller, query)))


@router.get("/series", response_model=SeriesOut, responses=_UNCHANGED)
async def series(query: Annotated[Series, Query()], reader: Reader) -> Response:
    """The figures of one unit by day, month, quarter or year; at most 400 periods."""
    return _answer(await answering.series(reader.service, permitted(reader.caller, query)))


@router.get("/breakdown", response_model=BreakdownOut, responses=_UNCHANGED)
async def breakdown(query: Annotated[Figures, Query()], reader: Reader) -> Response:
    """The figures of the units right below a unit, a row each, of what belongs to none of them alone, and of its own.

    Without a token: public indicators of today's province in whole months, as known now, without small figures.
    """
    return _answer(await answering.breakdown(reader.service, permitted_breakdown(reader.caller, query)))


def _permitted(query: Annotated[Figures, Query()], reader: Reader) -> Permitted[Figures]:
    """The question of a stream. What is wrong with it is raised before the stream begins, for then it is a problem."""
    return permitted(reader.caller, query)


@streams.get("/live", response_class=EventSourceResponse)
async def live(
    asked: Annotated[Permitted[Figures], Depends(_permitted)], reader: Reader
) -> AsyncIterator[ServerSentEvent]:
    """Server-Sent Events: what /counters answers, now and on each change, at most four times a second.

    It ends with the caller's token; its last event is `token-expired`, and the next stream needs a new one.
    """
    async for answer in answering.live(reader.service, asked):
        yield ServerSentEvent(raw_data=answer)
    yield ServerSentEvent(event="token-expired", raw_data="{}")


def _answer(answer: FiguresAnswer) -> Response:
    return Response(
        answer.body, headers={"ETag": answer.etag, "Cache-Control": "private, no-cache"}, media_type="application/json"
    )
