"""Reads counters: any period of any unit is the sum of a handful of rows, as known now or on an earlier day.

The tables hold sums in two times, when it happened and when it was recorded, by day and by month.
A period is cut into whole months, read from the table of months, and the days that are left over.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import asyncpg

from services.stats.counting import tables
from services.stats.indicators import INDICATORS, Flow
from shared.days import now
from shared.outbox import Position

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


class Changes(NamedTuple):
    """What each day, or month where a part is monthly, adds to these indicators in these units."""

    unit_ids: Sequence[str]
    parts: Sequence[Part]
    indicators: Sequence[str] = (*FLOWS, *STOCKS)


class Wanted(NamedTuple):
    """What is read: for each unit a flow over [first, last], a stock at the end of `last`, as known at the end of
    `known_at`; and maybe changes, of the same snapshot."""

    unit_ids: Sequence[str]
    first: date
    last: date
    known_at: date | None
    changes: Changes | None = None


class CountedSet(NamedTuple):
    """The set that answers are read from, and those of its indicators that this code means alike."""

    id: int
    indicators: frozenset[str]


class State(NamedTuple):
    """How far the serving set had counted in one snapshot."""

    positions: dict[str, Position]
    watermark: datetime | None
    uncounted: int


class Found(NamedTuple):
    """What was read of the indicators `names`: the figures of each unit, zero where nothing is; rows (unit,
    happened_on, names…) of the changes, none where nothing is; and how far the set had counted."""

    names: list[str]
    figures: dict[str, dict[str, int]]
    changes: list[asyncpg.Record]
    state: State


class SetChanged(Exception):
    """A rebuild has swapped the serving set meanwhile."""


# Beside whatever a statement reads, so that figures and their position are of one snapshot.
_STATE = """
  (SELECT id FROM counter_sets WHERE serving) AS serving,
  (SELECT array_agg(source ORDER BY source) FROM positions WHERE set_id = $1) AS sources,
  (SELECT array_agg(generation ORDER BY source) FROM positions WHERE set_id = $1) AS generations,
  (SELECT array_agg(seq ORDER BY source) FROM positions WHERE set_id = $1) AS seqs,
  (SELECT CASE WHEN count(*) = count(watermark) THEN min(watermark) END FROM positions WHERE set_id = $1) AS watermark,
  (SELECT count(*) FROM dead_letters WHERE set_id = $1) AS uncounted
"""


async def serving_set(connection: asyncpg.Connection) -> CountedSet | None:
    """The serving set; None before a consumer has made one."""
    row = await connection.fetchrow("SELECT id, indicators FROM counter_sets WHERE serving")
    if row is None:
        return None
    versions = {indicator.name: indicator.version for indicator in INDICATORS}
    alike = {name for name, version in row["indicators"].items() if versions.get(name) == version}
    return CountedSet(row["id"], frozenset(alike))


def _state(row: asyncpg.Record, set_id: int) -> State:
    if row["serving"] != set_id:
        raise SetChanged
    positions = {
        source: Position(generation, seq)
        for source, generation, seq in zip(row["sources"], row["generations"], row["seqs"], strict=True)
    }
    return State(positions, row["watermark"], row["uncounted"])


async def state(connection: asyncpg.Connection, set_id: int) -> State:
    """How far the set has counted. Raises SetChanged when it serves no longer."""
    row = await connection.fetchrow(f"SELECT {_STATE}", set_id)
    assert row is not None
    return _state(row, set_id)


def freshness(state: State) -> dict[str, object]:
    """How fresh the figures of a snapshot are: for each source the last event counted; the time before which every
    commit is counted; how long ago that is, in seconds; how many events could not be counted."""
    return {
        "position": {source: position.seq for source, position in state.positions.items()},
        "generation": {source: position.generation for source, position in state.positions.items()},
        "watermark": state.watermark,
        "lag_seconds": round(max(0.0, (now() - state.watermark).total_seconds()), 3) if state.watermark else None,
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


def _select(set_id: int, columns: Sequence[str], cut: Sequence[Part], keys: str, first_argument: int) -> str:
    """The SQL of the columns' sums over the parts, by the keys; its arguments are the parts', in their order."""
    by_days, by_months = tables(set_id)
    selects = []
    for number, part in enumerate(cut):
        a = first_argument + 4 * number
        selects.append(
            f"""SELECT {keys}, {", ".join(columns)} FROM {by_months if part.monthly else by_days}
            WHERE unit = ANY($2) AND happened_on BETWEEN ${a} AND ${a + 1} AND recorded_on BETWEEN ${a + 2} AND ${a + 3}"""
        )
    totals = ", ".join(f"sum({name})::bigint AS {name}" for name in columns)
    return f"SELECT {keys}, {totals} FROM ({' UNION ALL '.join(selects)}) cells GROUP BY {keys}"


async def read(connection: asyncpg.Connection, set_id: int, names: list[str], wanted: Wanted) -> Found:
    """Read in one snapshot. Raises SetChanged when the set serves no longer."""
    if wanted.changes is None:
        figures, state = await _figures(connection, set_id, names, wanted)
        return Found(names, figures, [], state)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        figures, state = await _figures(connection, set_id, names, wanted)
        changes = await _changes(connection, set_id, names, wanted.changes)
    return Found(names, figures, changes, state)


async def _figures(
    connection: asyncpg.Connection, set_id: int, names: Sequence[str], wanted: Wanted
) -> tuple[dict[str, dict[str, int]], State]:
    """One statement, so that the figures and the position beside them are of one snapshot."""
    arguments: list[object] = [set_id, list(wanted.unit_ids)]
    joins = ""
    for columns, start, alias in (
        ([n for n in names if n in FLOWS], wanted.first, "flows"),
        ([n for n in names if n in STOCKS], BEGINNING, "stocks"),
    ):
        if columns:
            cut = parts(start, wanted.last, wanted.known_at)
            joins += f" LEFT JOIN ({_select(set_id, columns, cut, 'unit', len(arguments) + 1)}) {alias} USING (unit)"
            for part in cut:
                arguments += part[1:]
    values = ", ".join(f"coalesce({name}, 0) AS {name}" for name in names)
    rows = await connection.fetch(
        f"SELECT unit, {values}, {_STATE} FROM unnest($2::text[]) AS asked (unit) {joins}", *arguments
    )
    found = {row["unit"]: {name: row[name] for name in names} for row in rows}
    return found, _state(rows[0], set_id) if rows else await state(connection, set_id)


async def _changes(
    connection: asyncpg.Connection, set_id: int, names: Sequence[str], changes: Changes
) -> list[asyncpg.Record]:
    columns = [name for name in names if name in changes.indicators]
    if not columns:
        return []
    arguments = [value for part in changes.parts for value in part[1:]]
    select = _select(set_id, columns, changes.parts, "unit, happened_on", 3)
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT * FROM ({select}) found WHERE $1::int IS NOT NULL", set_id, list(changes.unit_ids), *arguments
    )
    return rows
