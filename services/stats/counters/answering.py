"""Puts answers about figures together: one unit, the units below it, a series, and changes as they happen.

Each answers a question that its caller is permitted to ask, and reads once.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from services.stats.counters.permissions import Permitted
from services.stats.counters.reading import FLOWS, STOCKS, Changes, Found, Wanted, freshness, parts
from services.stats.counters.schemas import Figures, FiguresAnswer, Series
from services.stats.counters.serving import read, serving_of
from shared import units
from shared.days import now
from shared.errors import InvalidInput
from shared.jurisdiction import area as area_of
from shared.news import news_of
from shared.service import Service
from shared.settings import settings
from shared.validity import served

_MOST_PERIODS = 400
# The event loop counts no further.
_LONGEST_WAIT = 10 * 365 * 86_400


async def counters(service: Service, asked: Permitted[Figures]) -> FiguresAnswer:
    """The figures of one unit over one range."""
    # Every screen of a province asks for the same few figures.
    question = (asked.query, asked.publicly)
    return await serving_of(service).together.read(question, lambda: _counters(service, asked))


async def _counters(service: Service, asked: Permitted[Figures]) -> FiguresAnswer:
    query = asked.query
    found = await read(service, asked, Wanted([query.unit], query.from_, _until(asked), query.known_at))
    return _answer(query, found, {"counters": found.figures[query.unit]})


async def live(service: Service, asked: Permitted[Figures]) -> AsyncIterator[str]:
    """The answer of `counters` as JSON, now and whenever the figures have changed, until the caller's token has expired."""
    asked = asked._replace(query=asked.query.model_copy(update={"counted": None}))
    sent = ""
    while True:
        news = news_of(service).next
        answer = await counters(service, asked)
        if answer.etag != sent:
            sent = answer.etag
            yield answer.body.decode()
        left = asked.caller.holds_until - now().timestamp()
        if left <= 0:
            return
        try:
            async with asyncio.timeout(left if left < _LONGEST_WAIT else None):
                await news.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0.25)


async def breakdown(service: Service, asked: Permitted[Figures]) -> FiguresAnswer:
    """The figures of the units right below, a row each, and of the unit's own facts: the rows' sum is the unit, always."""
    if asked.caller.role != "anyone":
        return await _breakdown(service, asked)
    question = ("breakdown", asked.query)
    return await serving_of(service).together.read(question, lambda: _breakdown_for_everyone(service, asked))


async def _breakdown(service: Service, asked: Permitted[Figures]) -> FiguresAnswer:
    """What lies outside the area of a caller who does not oversee the unit is one row."""
    query, unit, area = asked.query, asked.unit, area_of(asked.caller.unit)
    # What no single commune inherits is not the new province's own.
    beside = [units.unattributed(unit.id)] if unit.level == "province" and units.predecessors(unit.id) else []
    below = [*units.children(unit.id), *beside]
    found = await read(service, asked, Wanted([unit.id, *below], query.from_, _until(asked), query.known_at))
    names, figures = found.names, found.figures
    own = _less(figures[unit.id], *(figures[id] for id in below))
    shown = [id for id in below if (id in served() and (not asked.publicly or id in area)) or id in beside]
    rows = [
        {"unit": id, "name": _name(id), "counters": figures[id], **_inexact(id, query.from_, query.to, names)}
        for id in shown
    ]
    others = _less(figures[unit.id], own, *(figures[id] for id in shown))
    if asked.publicly or any(others.values()):
        flags = [_inexact(id, query.from_, query.to, names) for id in below if id not in shown]
        inexact: dict[str, object] = next(filter(None, flags), {})
        rows.append({"unit": unit.id, "name": "Các đơn vị khác", "others": True, "counters": others, **inexact})
    itself = {"unit": unit.id, "name": unit.name, "own": True, "counters": own}
    rows.append(itself | _inexact(unit.id, query.from_, query.to, names))
    return _answer(query, found, {"rows": rows})


async def _breakdown_for_everyone(service: Service, asked: Permitted[Figures]) -> FiguresAnswer:
    """The breakdown of today's province without its small figures (`held_back`), month by month.

    A figure of several months is shown only if each of its months is: so no answer is the difference of others.
    """
    query, unit = asked.query, asked.unit
    children = [id for id in units.children(unit.id) if id in served()]
    unattributed = units.unattributed(unit.id)
    below = [*children, unattributed]
    monthly = Changes(children, parts(query.from_, query.to, None), FLOWS)
    found = await read(service, asked, Wanted([unit.id, *below], query.from_, query.to, None, monthly))
    figures = dict(found.figures)
    figures["own"] = _less(figures[unit.id], *(figures[id] for id in below))
    rows: dict[str, dict[str, object]] = {id: {"unit": id, "name": _name(id)} for id in below}
    rows["own"] = {"unit": unit.id, "name": unit.name, "own": True}
    held = _held_back(found, children, beside=(unattributed, "own"))
    for id, row in rows.items():
        suppressed = [name for name in found.names if id in held[name]]
        row["counters"] = {name: None if name in suppressed else figures[id][name] for name in found.names}
        if suppressed:
            row["suppressed"] = suppressed
        row |= _inexact(unit.id if id == "own" else id, query.from_, query.to, found.names)
    return _answer(query, found, {"rows": list(rows.values())})


def _held_back(found: Found, children: list[str], beside: tuple[str, ...]) -> dict[str, set[str]]:
    """For each indicator the rows whose figure is held back in a month of the range; of a stock, at its end."""
    by_month: dict[date, dict[str, Any]] = {}
    for record in found.changes:
        by_month.setdefault(record["happened_on"], {})[record["unit"]] = record
    held: dict[str, set[str]] = {}
    for name in found.names:
        tables: list[dict[str, Any]] = [*by_month.values()] if name in FLOWS else [found.figures]
        small = [
            held_back({id: table[id][name] if id in table else 0 for id in children}, settings().small_cell, beside)
            for table in tables
        ]
        held[name] = set().union(*small)
    return held


def held_back(cells: dict[str, int], least: int, beside: tuple[str, ...] = ()) -> set[str]:
    """Which of these figures of one indicator, whose sum is known, are not shown: the small ones and their complement.

    The smallest of the others goes with them, with all that equal it, so that who knows this rule cannot find which of
    those held back is which. Where no other is left, nothing is shown, nor what stands `beside` them in the sum.
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


async def series(service: Service, asked: Permitted[Series]) -> FiguresAnswer:
    """The figures of one unit, period by period."""
    query, until = asked.query, _until(asked)
    periods = _periods(query)
    # The level of each stock on the day before; flows of no day at all are zero.
    before = min(query.from_ - timedelta(days=1), until)
    changes = Changes([query.unit], parts(query.from_, until, query.known_at, daily=query.by == "day"))
    found = await read(service, asked, Wanted([query.unit], query.from_, before, query.known_at, changes))
    names, level = found.names, found.figures[query.unit]
    values = [dict.fromkeys(names, 0) for _ in periods]
    for row in found.changes:
        value = next(value for (_, last), value in zip(periods, values, strict=True) if row["happened_on"] <= last)
        for name in names:
            value[name] += row[name]
    for value in values:
        for name in STOCKS:
            if name in value:
                value[name] = level[name] = level[name] + value[name]
    buckets = [
        {"from": first, "to": last, "counters": value, **_inexact(query.unit, first, last, names)}
        for (first, last), value in zip(periods, values, strict=True)
    ]
    return _answer(query, found, {"by": query.by, "series": buckets})


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


def _until(asked: Permitted[Figures]) -> date:
    """The last day whose facts the answer holds: after its edition a unit has none, and its stocks keep their level."""
    return min(asked.query.to, units.last_day(asked.unit.edition))


def _inexact(id: str, first: date, last: date, names: list[str]) -> dict[str, object]:
    """What an answer about these days says beside figures that are not wholly the unit's own; nothing of exact ones."""
    unit = units.get(id)
    if unit is None:
        return {}
    if last > units.last_day(unit.edition):
        return {"exact": False, "inexact": "outside-edition"}
    # A flow holds nothing of what was before its first day; a level holds all of it.
    since = date.min if any(name in STOCKS for name in names) else first
    return {} if units.is_exact(id, since) else {"exact": False, "inexact": "split"}


def _answer(query: Figures, found: Found, figures: Mapping[str, object]) -> FiguresAnswer:
    content: dict[str, object] = {"unit": query.unit, "from": query.from_, "to": query.to, **figures}
    if units.is_partial(query.unit, settings().province):
        content["partial"] = True
    content |= _inexact(query.unit, query.from_, query.to, found.names)
    etag = f'"{hashlib.blake2s(msgspec.json.encode(content), digest_size=12).hexdigest()}"'
    return FiguresAnswer(msgspec.json.encode({**content, "freshness": freshness(found.state)}), etag)
