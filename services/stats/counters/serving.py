"""The set that answers are read from: finding it, waiting until it has counted a write, reading while a rebuild swaps it."""

import asyncio
from contextlib import suppress
from time import monotonic

import asyncpg

from services.stats.counters import reading
from services.stats.counters.permissions import Permitted, public_indicators
from services.stats.counters.reading import CountedSet, Found, Wanted
from services.stats.counters.schemas import Figures, FiguresAnswer, positions_of
from services.stats.indicators import INDICATORS
from shared.errors import NotYetCounted, Problem
from shared.limits import Together
from shared.news import news_of
from shared.outbox import Position
from shared.service import Service
from shared.settings import settings


class NotServing(Problem):
    """No consumer has counted anything yet."""

    status, name = 503, "no-counters-yet"
    vi, en = "Chưa có số liệu: bộ đếm chưa chạy.", "There are no counters yet: the consumer has not run."
    headers = {"Retry-After": "2"}  # noqa: RUF012


class IndicatorNotCounted(Problem):
    """The indicator is new: its history comes with a rebuild."""

    status, name = 409, "indicator-not-counted"
    vi, en = (
        "Chỉ tiêu này chưa được đếm; cần chạy antt rebuild.",
        "This indicator is not counted yet: run antt rebuild.",
    )


class Serving:
    """What a process keeps to answer questions: the serving set, and the answers that are being read for all who ask alike."""

    def __init__(self) -> None:
        self.counters: CountedSet | None = None
        self.together = Together[FiguresAnswer]()


def serving_of(service: Service) -> Serving:
    """What this process keeps."""
    serving: Serving = service.state.setdefault("serving", Serving())
    return serving


async def read(service: Service, asked: Permitted[Figures], wanted: Wanted) -> Found:
    """Read from the serving set, once it has counted what the question waits for; again when a rebuild swaps it meanwhile.

    Raises NotServing, IndicatorNotCounted, or NotYetCounted after a bounded wait.
    """
    serving = serving_of(service)
    while True:
        try:
            counters = serving.counters = serving.counters or await _find(service)
            if asked.query.counted is not None:
                await _wait_until_counted(service, counters.id, positions_of(asked.query.counted))
            async with service.database.connection() as connection:
                return await reading.read(connection, counters.id, _names(counters, asked), wanted)
        except (reading.SetChanged, asyncpg.UndefinedTableError):
            serving.counters = None


async def _find(service: Service) -> CountedSet:
    async with service.database.connection() as connection:
        counters = await reading.serving_set(connection)
    if counters is None:
        raise NotServing()
    return counters


async def _wait_until_counted(service: Service, set_id: int, wanted: dict[str, Position]) -> None:
    """Whoever waits holds no connection, or a few of them would keep all others out."""
    patience_ends = monotonic() + settings().counted_wait_seconds
    while True:
        news = news_of(service).next
        async with service.database.connection() as connection:
            state = await reading.state(connection, set_id)
        if all(state.positions[source] >= position for source, position in wanted.items()):
            return
        if monotonic() > patience_ends:
            raise NotYetCounted(freshness=reading.freshness(state))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await news.wait()


def _names(counters: CountedSet, asked: Permitted[Figures]) -> list[str]:
    """The indicators asked for; all that are open to the caller where none is named."""
    for name in asked.query.indicator:
        if name not in counters.indicators:
            raise IndicatorNotCounted(indicator=name)
    open_to_caller = counters.indicators & public_indicators() if asked.publicly else counters.indicators
    return [i.name for i in INDICATORS if i.name in (asked.query.indicator or open_to_caller)]
