"""Reads counters: any period of any unit is the sum of a handful of rows, as known now or on an earlier day.

The tables hold sums in two times, when it happened and when it was recorded, by day and by month.
A period is cut into whole months, read from the table of months, and the days that are left over.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from services.stats.counting import tables
from services.stats.indicators import INDICATORS, Flow
from shared.days import now

FLOWS = [indicator.name for indicator in INDICATORS if isinstance(indicator, Flow)]
STOCKS = [indicator.name for indicator in INDICATORS if not isinstance(indicator, Flow)]
BEGINNING = date(1900, 1, 1)
END = date(9999, 12, 1)


class Part(NamedTuple):
    """A rectangle of the two times, both ends of each included, and whether the table of months holds it."""

    monthly: bool
    first: date
    last: date
    recorded_first: date
    recorded_last: date


class State(NamedTuple):
    """The serving set as one snapshot saw it: what it counts, and how far."""

    set_id: int
    counted: frozenset[str]
    positions: dict[str, dict[str, Any]]
    uncounted: int


async def state(connection: asyncpg.Connection) -> State | None:
    """The serving set; None before a consumer has made one."""
    rows = await connection.fetch(
        """SELECT s.id, s.indicators, p.source, p.generation, p.seq, p.watermark,
          (SELECT count(*) FROM dead_letters d WHERE d.set_id = s.id) AS uncounted
        FROM counter_sets s JOIN positions p ON p.set_id = s.id WHERE s.serving"""
    )
    if not rows:
        return None
    versions = {indicator.name: indicator.version for indicator in INDICATORS}
    counted = frozenset(name for name, version in rows[0]["indicators"].items() if versions.get(name) == version)
    return State(rows[0]["id"], counted, {row["source"]: dict(row) for row in rows}, rows[0]["uncounted"])


def freshness(state: State) -> dict[str, Any]:
    """How fresh the figures of a snapshot are: for each source the last event counted; the time before which every
    commit is counted; how long ago that is, in seconds; how many events could not be counted."""
    watermarks: list[datetime | None] = [row["watermark"] for row in state.positions.values()]
    known = [mark for mark in watermarks if mark is not None]
    watermark = min(known) if len(known) == len(watermarks) else None
    return {
        "position": {source: row["seq"] for source, row in sorted(state.positions.items())},
        "generation": {source: row["generation"] for source, row in sorted(state.positions.items())},
        "watermark": watermark,
        "lag_seconds": round(max(0.0, (now() - watermark).total_seconds()), 3) if watermark else None,
        "uncounted": state.uncounted,
    }


def parts(first: date, last: date, known_at: date | None, daily: bool = False) -> list[Part]:
    """The rectangles that make up [first, last] as known at the end of `known_at`."""
    months_first = first if first.day == 1 else _next_month(first)
    months_end = _next_month(last) if (last + timedelta(days=1)).day == 1 else last.replace(day=1)
    known_until = known_at or END
    if daily or months_first >= months_end:
        return [Part(False, first, last, BEGINNING, known_until)]
    months_last = months_end - timedelta(days=1)
    found = []
    if first < months_first:
        found.append(Part(False, first, months_first - timedelta(days=1), BEGINNING, known_until))
    if known_at is None:
        found.append(Part(True, months_first, months_last, BEGINNING, END))
    else:
        # Months recorded in whole before that day's month, and what that month itself recorded until the day.
        recorded_month = known_at.replace(day=1)
        found.append(Part(True, months_first, months_last, BEGINNING, recorded_month - timedelta(days=1)))
        found.append(Part(False, months_first, months_last, recorded_month, known_at))
    if months_end <= last:
        found.append(Part(False, months_end, last, BEGINNING, known_until))
    return found


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


async def sums(
    connection: asyncpg.Connection,
    set_id: int,
    columns: Sequence[str],
    unit_ids: Sequence[str],
    cut: Iterable[Part],
    by_day: bool = False,
) -> list[asyncpg.Record]:
    """The columns' sums over the parts: a row for each unit, or with `by_day` for each unit and day (or month)."""
    by_days, by_months = tables(set_id)
    selected = ", ".join(columns)
    arguments: list[Any] = [list(unit_ids)]
    selects = []
    for part in cut:
        numbers = [len(arguments) + number for number in range(1, 5)]
        arguments += part[1:]
        selects.append(
            f"""SELECT unit, happened_on, {selected} FROM {by_months if part.monthly else by_days}
            WHERE unit = ANY($1) AND happened_on BETWEEN ${numbers[0]} AND ${numbers[1]}
              AND recorded_on BETWEEN ${numbers[2]} AND ${numbers[3]}"""
        )
    keys = "unit, happened_on" if by_day else "unit"
    totals = ", ".join(f"sum({name})::bigint AS {name}" for name in columns)
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {keys}, {totals} FROM ({' UNION ALL '.join(selects)}) cells GROUP BY {keys} ORDER BY {keys}",
        *arguments,
    )
    return rows


async def figures(
    connection: asyncpg.Connection,
    set_id: int,
    names: Sequence[str],
    unit_ids: Sequence[str],
    first: date,
    last: date,
    known_at: date | None,
) -> dict[str, dict[str, int]]:
    """For each unit its figures: a flow over [first, last], a stock at the end of `last`; zero where nothing is."""
    found = {unit: dict.fromkeys(names, 0) for unit in unit_ids}
    for columns, start in (
        ([n for n in names if n in FLOWS], first),
        ([n for n in names if n in STOCKS], BEGINNING),
    ):
        if columns:
            for row in await sums(connection, set_id, columns, unit_ids, parts(start, last, known_at)):
                found[row["unit"]].update({name: row[name] for name in columns})
    return found
