"""Answers questions about figures: who may ask, waiting until a write is counted, and how an answer is put together."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import date, timedelta
from time import monotonic
from typing import Any, NamedTuple

import asyncpg
import msgspec

from services.stats.counters import reading
from services.stats.counters.schemas import Figures, Series, positions_of
from services.stats.indicators import INDICATORS
from shared import units
from shared.auth import Identity
from shared.errors import InvalidInput, NotYetCounted, Problem, Unauthenticated, UnitNotServed, UnknownUnit
from shared.places import served
from shared.service import Service
from shared.settings import settings

_MOST_PERIODS = 400


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


class Answer(NamedTuple):
    """An answer and its ETag, made of the figures alone: fresher but equal figures have the same."""

    content: dict[str, Any]
    etag: str


def require_may_read(caller: Identity, query: Figures) -> None:
    """Raise unless the caller may read these figures: without a token, the province's, in whole months."""
    unit = units.get(query.unit)
    if unit is None:
        raise UnknownUnit(unit=query.unit)
    if query.unit not in served():
        raise UnitNotServed(unit=query.unit)
    if query.edition is not None and query.edition != unit.edition:
        raise InvalidInput(
            errors=[{"at": "edition", "code": "other-edition", "message": "the unit is of another edition"}]
        )
    if query.to < query.from_:
        raise InvalidInput(errors=[{"at": "to", "code": "before-from", "message": "the range ends before it begins"}])
    if query.to.year > 9990 or query.from_.year < 1900:
        raise InvalidInput(errors=[{"at": "from", "code": "range", "message": "years 1900 to 9990"}])
    whole_months = query.from_.day == 1 and (query.to + timedelta(days=1)).day == 1
    if caller.role == "anyone" and not (unit.level == "province" and whole_months):
        raise Unauthenticated()
    # A province's own figures are public; what lies below is for those in charge of it.
    if unit.level != "province":
        caller.require("read_counters", query.unit)


async def counters(service: Service, caller: Identity, query: Figures) -> Answer:
    """The figures of one unit over one range."""
    require_may_read(caller, query)
    return await _counters(service, query)


async def _counters(service: Service, query: Figures) -> Answer:
    async with service.database.connection() as connection:
        state = await _counted(connection, query)
        names = _names(state, query)
        found = await reading.figures(
            connection, state.set_id, names, [query.unit], query.from_, query.to, query.known_at
        )
    return _answer(query, state, {"counters": found[query.unit]})


async def breakdown(service: Service, caller: Identity, query: Figures) -> Answer:
    """The figures of the units right below that lie in the caller's area; for a province's own, all of them."""
    require_may_read(caller, query)
    if caller.role == "anyone":
        raise Unauthenticated()
    area, home, unit = units.area(caller.unit), units.get(caller.unit), units.get(query.unit)
    assert home is not None
    assert unit is not None
    below = [child for child in units.children(query.unit) if child in served() and child in area]
    if unit.level == home.level == "province" and unit.edition != "2024":
        below.append(units.unattributed(query.unit))
    async with service.database.connection() as connection:
        state = await _counted(connection, query)
        names = _names(state, query)
        found = await reading.figures(connection, state.set_id, names, below, query.from_, query.to, query.known_at)
    rows = [{"unit": id, "name": _name(id), "counters": found[id]} for id in below]
    return _answer(query, state, {"rows": rows})


def _name(unit_id: str) -> str:
    unit = units.get(unit_id)
    return unit.name if unit else "Chưa phân bổ"


async def series(service: Service, caller: Identity, query: Series) -> Answer:
    """The figures of one unit, period by period."""
    require_may_read(caller, query)
    if caller.role == "anyone" and query.by == "day":
        raise Unauthenticated()
    periods = list(_periods(query))
    async with service.database.connection() as connection:
        state = await _counted(connection, query)
        names = _names(state, query)
        flows = [name for name in names if name in reading.FLOWS]
        stocks = [name for name in names if name in reading.STOCKS]
        values = [dict.fromkeys(names, 0) for _ in periods]
        cut = reading.parts(query.from_, query.to, query.known_at, daily=query.by == "day")
        for row in await reading.sums(connection, state.set_id, names, [query.unit], cut, by_day=True):
            index = next(i for i, (_, last) in enumerate(periods) if row["happened_on"] <= last)
            for name in names:
                values[index][name] += row[name]
        if stocks:
            before = query.from_ - timedelta(days=1)
            level = (
                await reading.figures(
                    connection, state.set_id, stocks, [query.unit], reading.BEGINNING, before, query.known_at
                )
            )[query.unit]
            for value in values:
                for name in stocks:
                    value[name] = level[name] = level[name] + value[name]
    ordered = [{name: value[name] for name in (*flows, *stocks)} for value in values]
    return _answer(
        query,
        state,
        {
            "by": query.by,
            "series": [
                {"from": first, "to": last, "counters": value}
                for (first, last), value in zip(periods, ordered, strict=True)
            ],
        },
    )


def _periods(query: Series) -> list[tuple[date, date]]:
    """The calendar periods of the range, the first and the last clipped to it."""
    months = {"month": 1, "quarter": 3, "year": 12}.get(query.by)
    found: list[tuple[date, date]] = []
    first = query.from_
    while first <= query.to:
        if months is None:
            last = first
        else:
            month = first.year * 12 + (first.month - 1) // months * months + months
            last = date(month // 12, month % 12 + 1, 1) - timedelta(days=1)
        found.append((first, min(last, query.to)))
        first = last + timedelta(days=1)
        if len(found) > _MOST_PERIODS:
            raise InvalidInput(
                errors=[{"at": "to", "code": "too-many-periods", "message": f"at most {_MOST_PERIODS} periods"}]
            )
    return found


async def live(service: Service, caller: Identity, query: Figures) -> AsyncIterator[str]:
    """The answer of `counters` as JSON, now and whenever the figures have changed."""
    require_may_read(caller, query)
    news = asyncio.Event()
    connection = await asyncpg.connect(service.database.url)
    try:
        await connection.add_listener("counted", lambda *_: news.set())
        sent = ""
        while True:
            news.clear()
            answer = await _counters(service, query.model_copy(update={"counted": None}))
            if answer.etag != sent:
                sent = answer.etag
                yield msgspec.json.encode(answer.content).decode()
            await news.wait()
            await asyncio.sleep(0.25)
    finally:
        connection.terminate()


async def _counted(connection: asyncpg.Connection, query: Figures) -> reading.State:
    """The serving set's state, once it has counted what the query waits for. NotYetCounted after a bounded wait."""
    wanted = positions_of(query.counted) if query.counted else {}
    patience_ends = monotonic() + settings().counted_wait_seconds
    while True:
        state = await reading.state(connection)
        if state is None:
            if not wanted or monotonic() > patience_ends:
                raise NotServing()
        elif all(
            (state.positions[source]["generation"], state.positions[source]["seq"]) >= position
            for source, position in wanted.items()
        ):
            return state
        if monotonic() > patience_ends:
            assert state is not None
            raise NotYetCounted(freshness=reading.freshness(state))
        await asyncio.sleep(0.01)


def _names(state: reading.State, query: Figures) -> list[str]:
    for name in query.indicator:
        if name not in state.counted:
            raise IndicatorNotCounted(indicator=name)
    return [i.name for i in INDICATORS if i.name in (query.indicator or state.counted)]


def _answer(query: Figures, state: reading.State, figures: dict[str, Any]) -> Answer:
    content: dict[str, Any] = {"unit": query.unit, "from": query.from_, "to": query.to, **figures}
    if units.is_partial(query.unit, settings().province):
        content["partial"] = True
    if not units.is_exact(query.unit):
        content["exact"] = False
    etag = f'"{hashlib.blake2s(msgspec.json.encode(content), digest_size=12).hexdigest()}"'
    return Answer({**content, "freshness": reading.freshness(state)}, etag)
