"""A set of counters: two tables made from INDICATORS, by day and by month, and how far each source is counted in them.

One set serves; a rebuild fills another beside it and swaps. A process writes the columns that both the set and its
own INDICATORS have.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.stats.counting.measuring import Cells, by_month, spread
from services.stats.counting.vectors import lanes_of
from services.stats.indicators import INDICATORS
from shared.log import Mark, Source

# From so many cells on, a statement of the fewest columns is worth that the server has not planned it before.
_MANY_CELLS = 500


class CountingSet(NamedTuple):
    """The counters that are written: the set's tables, and the columns that both it and INDICATORS have."""

    id: int
    lanes: dict[str, int]


class Progress(NamedTuple):
    """How far a source is counted in a set: the last event; how many events up to it in a row could not be counted;
    the time up to which every commit is counted, None before the log first reported one."""

    mark: Mark
    failed_in_a_row: int
    watermark: datetime | None


def tables(set_id: int) -> tuple[str, str]:
    """The names of a set's two tables: by day, by month."""
    return f"counters_day_{set_id}", f"counters_month_{set_id}"


async def make_set(connection: asyncpg.Connection, sources: Collection[Source], serving: bool) -> CountingSet:
    """Make the tables of a new set from INDICATORS, in which none of the sources is counted yet."""
    definition = {indicator.name: indicator.version for indicator in INDICATORS}
    set_id = await connection.fetchval(
        "INSERT INTO counter_sets (indicators, serving) VALUES ($1, $2) RETURNING id", definition, serving
    )
    columns = ", ".join(f"{indicator.name} bigint NOT NULL DEFAULT 0" for indicator in INDICATORS)
    for table in tables(set_id):
        await connection.execute(
            f"""CREATE TABLE {table} (unit text COLLATE "C", happened_on date, recorded_on date, {columns},
            PRIMARY KEY (unit, happened_on, recorded_on)) WITH (fillfactor = 80)"""
        )
    await connection.executemany(
        """INSERT INTO positions (set_id, source, generation, seq, event_id, recorded_at, "offset")
        VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        [(set_id, source.label, *Mark()) for source in sources],
    )
    return _counting_set(set_id, definition)


def _counting_set(set_id: int, definition: dict[str, int]) -> CountingSet:
    return CountingSet(
        set_id, {i.name: index for index, i in enumerate(INDICATORS) if definition.get(i.name) == i.version}
    )


async def serving_set(connection: asyncpg.Connection, sources: Collection[Source]) -> CountingSet:
    """The set that answers are read from, for whoever counts these sources in it; the first one of an empty installation makes it.

    A source that is new to the set, as one whose service reports its first event, begins before that event.
    """
    row = await connection.fetchrow("SELECT id, indicators FROM counter_sets WHERE serving")
    if row is not None:
        counters = _counting_set(row["id"], row["indicators"])
        known = {name: row["indicators"][name] for name in counters.lanes}
        if known != row["indicators"]:
            # Older code does not go on counting what newer code began; only a rebuild brings such a column back.
            await connection.execute("UPDATE counter_sets SET indicators = $2 WHERE id = $1", counters.id, known)
        await _begin_new(connection, counters.id, sources)
        return counters
    async with connection.transaction():
        await connection.execute("LOCK TABLE counter_sets")
        if await connection.fetchval("SELECT count(*) FROM counter_sets WHERE serving"):
            return await serving_set(connection, sources)
        return await make_set(connection, sources, serving=True)


async def _begin_new(connection: asyncpg.Connection, set_id: int, sources: Collection[Source]) -> None:
    rows = await connection.fetch("SELECT source FROM positions WHERE set_id = $1", set_id)
    new = sorted({source.label for source in sources}.difference(row["source"] for row in rows))
    if new:
        # A rebuild that swaps takes the positions of its old set away: that one must not begin again.
        await connection.execute(
            """WITH serving AS (SELECT id FROM counter_sets WHERE id = $1 AND serving FOR SHARE)
            INSERT INTO positions (set_id, source, generation, seq, event_id, recorded_at, "offset")
            SELECT id, source, $3, $4, $5, $6, $7 FROM serving, unnest($2::text[]) AS source ON CONFLICT DO NOTHING""",
            set_id, new, *Mark(),
        )  # fmt: skip


async def progress_of(
    connection: asyncpg.Connection, set_id: int, sources: Collection[Source], lock: str = ""
) -> dict[Source, Progress]:
    """How far a set has counted each of the sources; `lock`: FOR UPDATE, to keep it there until the transaction is over."""
    rows = await connection.fetch(f"SELECT * FROM positions WHERE set_id = $1 ORDER BY source {lock}", set_id)
    of = {source.label: source for source in sources}
    return {
        of[row["source"]]: Progress(
            Mark(*[row[name] for name in Mark._fields]), row["failed_in_a_row"], row["watermark"]
        )
        for row in rows
        if row["source"] in of
    }


async def write(connection: asyncpg.Connection, counters: CountingSet, cells: Cells) -> None:
    """Add the spread cells to the set's two tables, in one statement of two upserts, each in the order of its key."""
    upserts, arrays = upserts_of(counters, cells)
    if upserts:
        await connection.execute(f"WITH {', '.join(upserts)} SELECT 1", *arrays)


def upserts_of(
    counters: CountingSet, cells: Cells, arguments_before: int = 0, only_if: str = "true"
) -> tuple[list[str], list[list[object]]]:
    """What adds the spread cells to the set's two tables, as members of a WITH, and its arguments behind those before it.

    `only_if`: a condition in SQL without which nothing is added.
    """
    if not cells:
        return [], []
    counters = _narrowed(counters, cells)
    wide = spread(cells)
    by_days, by_months = tables(counters.id)
    days, months = _arrays(counters, wide), _arrays(counters, by_month(wide))
    return [
        f"days AS ({_upsert(by_days, counters, arguments_before, only_if)})",
        f"months AS ({_upsert(by_months, counters, arguments_before + len(days), only_if)})",
    ], [*days, *months]


def _narrowed(counters: CountingSet, cells: Cells) -> CountingSet:
    """The set with the columns alone that these cells change; the others keep their default of 0.

    Few cells name all columns of the kinds of fact that they count, so that the same few statements come again and again.
    """
    columns = zip(*(lanes_of(v, len(INDICATORS)) for v in cells.values()), strict=True)
    named = {index for index, column in enumerate(columns) if any(column)}
    if len(cells) < _MANY_CELLS:
        kinds = {INDICATORS[index].of for index in named}
        named = {index for index, indicator in enumerate(INDICATORS) if indicator.of in kinds}
    kept = {name: index for name, index in counters.lanes.items() if index in named}
    return CountingSet(counters.id, kept or counters.lanes)


def _arrays(counters: CountingSet, cells: Cells) -> list[list[object]]:
    """The cells that are not nothing, in the order of their keys, as one array for each column."""
    lanes = list(counters.lanes.values())
    rows: list[tuple[object, ...]] = []
    for key in sorted(cells):
        if cells[key]:
            values = lanes_of(cells[key], len(INDICATORS))
            rows.append((*key, *(values[index] for index in lanes)))
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(3 + len(lanes))]


def _upsert(table: str, counters: CountingSet, arguments_before: int, only_if: str) -> str:
    columns = ["unit", "happened_on", "recorded_on", *counters.lanes]
    types = ["text", "date", "date", *(["bigint"] * len(counters.lanes))]
    arrays = ", ".join(f"${number}::{type}[]" for number, type in enumerate(types, arguments_before + 1))
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in counters.lanes)
    return f"""INSERT INTO {table} ({", ".join(columns)}) SELECT * FROM unnest({arrays}) WHERE {only_if}
        ON CONFLICT (unit, happened_on, recorded_on) DO UPDATE SET {sums}"""
