"""Answers questions about figures: who may ask, waiting until a write is counted, and how an answer is put together."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import date, timedelta
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import asyncpg
import msgspec

from services.stats.counters import reading
from services.stats.counters.schemas import Figures, Series, positions_of
from services.stats.indicators import INDICATORS
from shared import units
from shared.auth import Identity
from shared.days import now, today
from shared.errors import ForeignArea, InvalidInput, NotYetCounted, Problem, Unauthenticated, UnitNotServed, UnknownUnit
from shared.jurisdiction import area as area_of
from shared.news import news_of
from shared.outbox import Position
from shared.places import served
from shared.queries import Together
from shared.service import Service
from shared.settings import settings

_MOST_PERIODS = 400
# The event loop counts no further.
_LONGEST_WAIT = 10 * 365 * 86_400

Question = TypeVar("Question", bound=Figures)


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
    """An answer's JSON and its ETag, made of the figures alone: fresher but equal figures have the same."""

    body: bytes
    etag: str


def permitted(caller: Identity, query: Question) -> tuple[Question, bool]:
    """The question with its unit in the edition asked for, and whether it gets only what is public.

    Raises unless the caller may ask it (`require_may_read`).
    """
    query = _shown(query)
    return query, require_may_read(caller, query)


def _shown(query: Question) -> Question:
    """A unit is shown in another edition as the one unit that it became, or that alone became it."""
    unit = units.get(query.unit)
    if unit is None or query.edition in (None, unit.edition):
        return query
    found = units.successors(unit.id) if query.edition == "2025" else units.predecessors(unit.id)
    if len(found) != 1 or (query.edition == "2024" and units.successors(found[0]) != (unit.id,)):
        raise InvalidInput(
            errors=[{"at": "edition", "code": "no-single-counterpart", "message": "no one unit stands for it there"}]
        )
    return query.model_copy(update={"unit": found[0], "edition": None})


def require_may_read(caller: Identity, query: Figures) -> bool:
    """Raise unless the caller may read these figures. Whether it is for their being public alone.

    Public are a province's figures of public indicators over whole months, as known now or at the end of a month:
    the difference of two such answers never is what one day did.
    """
    unit = units.get(query.unit)
    if unit is None:
        raise UnknownUnit(unit=query.unit)
    if query.unit not in served():
        raise UnitNotServed(unit=query.unit)
    if query.to < query.from_:
        raise InvalidInput(errors=[{"at": "to", "code": "before-from", "message": "the range ends before it begins"}])
    if query.to.year > 9990 or query.from_.year < 1900:
        raise InvalidInput(errors=[{"at": "from", "code": "range", "message": "years 1900 to 9990"}])
    anyone = caller.role == "anyone"
    if not anyone:
        caller.require_role("read_counters")
        if query.unit in area_of(caller.unit):
            return False
    by_months = query.from_.day == 1 and _ends_a_month(query.to)
    by_months = by_months and (query.known_at is None or _ends_a_month(query.known_at))
    by_months = by_months and not (isinstance(query, Series) and query.by == "day")
    if unit.level != "province" or not by_months or not public_indicators().issuperset(query.indicator):
        raise Unauthenticated() if anyone else ForeignArea(unit=query.unit)
    return True


def _ends_a_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def public_indicators() -> frozenset[str]:
    """The indicators that are read without a token. ValueError for one that the province opens and that is none."""
    return _public_indicators(settings().public_indicators)


@lru_cache
def _public_indicators(further: str) -> frozenset[str]:
    opened = {name.strip() for name in further.split(",") if name.strip()}
    if unknown := opened - {indicator.name for indicator in INDICATORS}:
        raise ValueError(f"ANTT_PUBLIC_INDICATORS: there is no indicator {', '.join(sorted(unknown))}")
    return frozenset(opened.union(indicator.name for indicator in INDICATORS if indicator.public))


async def counters(service: Service, caller: Identity, query: Figures) -> Answer:
    """The figures of one unit over one range."""
    return await _counters(service, *permitted(caller, query))


async def _counters(service: Service, query: Figures, publicly: bool) -> Answer:
    async def read(connection: asyncpg.Connection, set_id: int, names: list[str]) -> Answer:
        found, state = await reading.figures(
            connection, set_id, names, [query.unit], query.from_, _until(query), query.known_at
        )
        return _answer(query, state, names, {"counters": found[query.unit]})

    # Every screen of a province asks for the same few figures.
    together: Together[Answer] = service.state.setdefault("together", Together())
    return await together.read((query, publicly), lambda: _read(service, query, publicly, read))


async def breakdown(service: Service, caller: Identity, query: Figures) -> Answer:
    """The figures of the units right below, a row each, and of the unit's own facts: the rows' sum is the unit, always.

    What lies outside the area of a caller who does not oversee the unit is one row.
    """
    query, publicly = permitted(caller, query)
    unit = units.get(query.unit)
    assert unit is not None
    if caller.role == "anyone":
        return await _breakdown_for_everyone(service, query, unit)
    area = area_of(caller.unit)
    # What no single commune inherits is not the new province's own.
    beside = [units.unattributed(unit.id)] if (unit.level, unit.edition) == ("province", "2025") else []
    below = [*units.children(unit.id), *beside]

    async def read(connection: asyncpg.Connection, set_id: int, names: list[str]) -> Answer:
        found, state = await reading.figures(
            connection, set_id, names, [unit.id, *below], query.from_, _until(query), query.known_at
        )
        own = _less(found[unit.id], *(found[id] for id in below))
        shown = [id for id in below if (id in served() and (not publicly or id in area)) or id in beside]
        rows = [
            {"unit": id, "name": _name(id), "counters": found[id], **_inexact(id, query.from_, query.to, names)}
            for id in shown
        ]
        others = _less(found[unit.id], own, *(found[id] for id in shown))
        if publicly or any(others.values()):
            flags = [_inexact(id, query.from_, query.to, names) for id in below if id not in shown]
            inexact: dict[str, Any] = next(filter(None, flags), {})
            rows.append({"unit": unit.id, "name": "Các đơn vị khác", "others": True, "counters": others, **inexact})
        itself = {"unit": unit.id, "name": unit.name, "own": True, "counters": own}
        return _answer(query, state, names, {"rows": [*rows, itself | _inexact(unit.id, query.from_, query.to, names)]})

    return await _read(service, query, publicly, read)


async def _breakdown_for_everyone(service: Service, query: Figures, unit: units.Unit) -> Answer:
    """The breakdown of today's province without its small figures (`held_back`), month by month.

    Other editions and earlier knowledge would cut the same facts in another way, and a figure of several months is
    told only if each of its months is: so no answer is the difference of others.
    """
    if unit.edition != units.edition_on(today()) or query.known_at is not None:
        raise Unauthenticated()
    if query.to > query.from_ + timedelta(days=366):
        raise InvalidInput(errors=[{"at": "to", "code": "too-many-periods", "message": "at most 12 periods"}])
    children = [id for id in units.children(unit.id) if id in served()]
    unattributed = units.unattributed(unit.id)

    async def read(connection: asyncpg.Connection, set_id: int, names: list[str]) -> Answer:
        flows = [name for name in names if name in reading.FLOWS]
        asked = [unit.id, *children, unattributed]
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found, state = await reading.figures(connection, set_id, names, asked, query.from_, query.to, None)
            monthly = await reading.months(connection, set_id, flows, children, query.from_, query.to) if flows else []
        found["own"] = _less(found[unit.id], *(found[id] for id in asked[1:]))
        rows: dict[str, dict[str, Any]] = {id: {"unit": id, "name": _name(id)} for id in asked[1:]}
        rows["own"] = {"unit": unit.id, "name": unit.name, "own": True}
        by_month: dict[date, dict[str, asyncpg.Record]] = {}
        for record in monthly:
            by_month.setdefault(record["happened_on"], {})[record["unit"]] = record
        held: dict[str, set[str]] = {id: set() for id in rows}
        for name in names:
            tables: list[dict[str, Any]] = [*by_month.values()] if name in flows else [found]
            for table in tables:
                cells = {id: table[id][name] if id in table else 0 for id in children}
                for id in held_back(cells, settings().small_cell, beside=(unattributed, "own")):
                    held[id].add(name)
        for id, row in rows.items():
            row["counters"] = {name: None if name in held[id] else found[id][name] for name in names}
            if held[id]:
                row["suppressed"] = [name for name in names if name in held[id]]
            row |= _inexact(unit.id if id == "own" else id, query.from_, query.to, names)
        return _answer(query, state, names, {"rows": list(rows.values())})

    together: Together[Answer] = service.state.setdefault("together", Together())
    return await together.read(("breakdown", query), lambda: _read(service, query, True, read))


def held_back(cells: dict[str, int], least: int, beside: tuple[str, ...] = ()) -> set[str]:
    """Which of these figures of one indicator, whose sum is known, are not told: the small ones and their complement.

    The smallest of the others goes with them, with all that equal it, so that who knows this rule cannot tell which of
    those held back is which. Where no other is left, nothing is told, nor what stands `beside` them in the sum.
    """
    small = {id for id, figure in cells.items() if figure and figure < least}
    others = [figure for figure in cells.values() if figure >= max(least, 1)]
    if not small:
        return set()
    if not others:
        return {*cells, *beside}
    return small | {id for id, figure in cells.items() if figure == min(others)}


def _less(figures: dict[str, int], *parts: dict[str, int]) -> dict[str, int]:
    """What remains of the figures without these parts of them."""
    return {name: figure - sum(part[name] for part in parts) for name, figure in figures.items()}


def _name(unit_id: str) -> str:
    unit = units.get(unit_id)
    return unit.name if unit else "Chưa phân bổ"


async def series(service: Service, caller: Identity, query: Series) -> Answer:
    """The figures of one unit, period by period."""
    query, publicly = permitted(caller, query)
    periods = _periods(query)

    async def read(connection: asyncpg.Connection, set_id: int, names: list[str]) -> Answer:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # The level of each stock on the day before; flows of no day at all are zero.
            before = min(query.from_ - timedelta(days=1), _until(query))
            found, state = await reading.figures(
                connection, set_id, names, [query.unit], query.from_, before, query.known_at
            )
            cut = reading.parts(query.from_, _until(query), query.known_at, daily=query.by == "day")
            rows = await reading.changes(connection, set_id, names, query.unit, cut)
        level, values = found[query.unit], [dict.fromkeys(names, 0) for _ in periods]
        for row in rows:
            value = next(value for (_, last), value in zip(periods, values, strict=True) if row["happened_on"] <= last)
            for name in names:
                value[name] += row[name]
        for value in values:
            for name in reading.STOCKS:
                if name in value:
                    value[name] = level[name] = level[name] + value[name]
        buckets = [
            {"from": first, "to": last, "counters": value, **_inexact(query.unit, first, last, names)}
            for (first, last), value in zip(periods, values, strict=True)
        ]
        return _answer(query, state, names, {"by": query.by, "series": buckets})

    return await _read(service, query, publicly, read)


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
    """The answer of `counters` as JSON, now and whenever the figures have changed, until the caller's token has expired."""
    query, publicly = permitted(caller, query)
    sent = ""
    while True:
        news = news_of(service).next
        answer = await _counters(service, query.model_copy(update={"counted": None}), publicly)
        if answer.etag != sent:
            sent = answer.etag
            yield answer.body.decode()
        left = caller.holds_until - now().timestamp()
        if left <= 0:
            return
        try:
            async with asyncio.timeout(left if left < _LONGEST_WAIT else None):
                await news.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0.25)


async def _read(
    service: Service,
    query: Figures,
    publicly: bool,
    read: Callable[[asyncpg.Connection, int, list[str]], Awaitable[Answer]],
) -> Answer:
    """Read from the serving set, once it has counted what the query waits for; again when a rebuild swaps it meanwhile."""
    while True:
        try:
            serving: reading.Serving = service.state.get("serving") or await _find_serving(service)
            if query.counted is not None:
                await _wait_until_counted(service, serving.set_id, positions_of(query.counted))
            async with service.database.connection() as connection:
                return await read(connection, serving.set_id, _names(serving, query, publicly))
        except (reading.SetChanged, asyncpg.UndefinedTableError):
            service.state.pop("serving", None)


async def _find_serving(service: Service) -> reading.Serving:
    async with service.database.connection() as connection:
        serving = await reading.serving(connection)
    if serving is None:
        raise NotServing()
    service.state["serving"] = serving
    return serving


async def _wait_until_counted(service: Service, set_id: int, wanted: dict[str, Position]) -> None:
    """NotYetCounted after a bounded wait. Whoever waits holds no connection, or a few of them would keep all others out."""
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


def _until(query: Figures) -> date:
    """The last day whose facts the answer holds: after its edition a unit has none, and its stocks keep their level."""
    unit = units.get(query.unit)
    assert unit is not None
    return min(query.to, units.last_day(unit.edition))


def _inexact(id: str, first: date, last: date, names: list[str]) -> dict[str, Any]:
    """What an answer about these days says beside figures that are not wholly the unit's own; nothing of exact ones."""
    unit = units.get(id)
    if unit is None:
        return {}
    if last > units.last_day(unit.edition):
        return {"exact": False, "inexact": "outside-edition"}
    # A flow holds nothing of what was before its first day; a level holds all of it.
    inherits = first < units.EDITIONS[unit.edition] or any(name in reading.STOCKS for name in names)
    return {"exact": False, "inexact": "split"} if inherits and not units.is_exact(id) else {}


def _names(serving: reading.Serving, query: Figures, publicly: bool) -> list[str]:
    for name in query.indicator:
        if name not in serving.counted:
            raise IndicatorNotCounted(indicator=name)
    open_to_caller = serving.counted & public_indicators() if publicly else serving.counted
    return [i.name for i in INDICATORS if i.name in (query.indicator or open_to_caller)]


def _answer(query: Figures, state: reading.State, names: list[str], figures: dict[str, Any]) -> Answer:
    content: dict[str, Any] = {"unit": query.unit, "from": query.from_, "to": query.to, **figures}
    if units.is_partial(query.unit, settings().province):
        content["partial"] = True
    content |= _inexact(query.unit, query.from_, query.to, names)
    etag = f'"{hashlib.blake2s(msgspec.json.encode(content), digest_size=12).hexdigest()}"'
    return Answer(msgspec.json.encode({**content, "freshness": reading.freshness(state)}), etag)
