"""From a batch of events to the counters, in one transaction with the position: each event counts exactly once.

A counter is a function of events alone: what an event adds is measure(after) - measure(before). A
batch is summed for each unit and day first; only the sums are spread to the units above and to
successors, and written, with the months they make up, by one upsert each.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import date, datetime, timedelta
from typing import NamedTuple

import asyncpg
import msgspec
import structlog

from services.stats.counting.vectors import lane, lanes_of
from services.stats.indicators import INDICATORS, Flow, Stock
from shared import events, telemetry, units
from shared.database import Database, one_at_a_time
from shared.days import day_of, now
from shared.log import SOURCES, Batch, Mark, Record, open_log
from shared.settings import Service, Settings

log = structlog.get_logger()

Cells = dict[tuple[str, date, date], int]

# For each source this process counts: the time up to which every commit is counted.
_counted_until: dict[Service, datetime] = {}

# More than one fact can be; a larger number would run over from its lane into that of another indicator.
MOST_OF_ONE_FACT = 1_000_000_000

# From so many cells on, a statement of the fewest columns is worth that the server has not planned it before.
MANY_CELLS = 500

_by_fact: dict[type[events.Fact], list[tuple[int, Flow | Stock]]] = {}
for _index, _indicator in enumerate(INDICATORS):
    _by_fact.setdefault(_indicator.of, []).append((lane(_index), _indicator))
_measured: dict[events.Fact, dict[date, int]] = {}


class CountingSet(NamedTuple):
    """The counters that are written: the set's tables, and the columns that both it and INDICATORS have."""

    id: int
    lanes: dict[str, int]


class ConsumerFenced(Exception):
    """Another consumer has counted beyond this one's position; nothing of this batch was written."""


class TooManyDeadLetters(Exception):
    """So many events in a row fail that the fault is more likely here than in them."""


def measure(fact: events.Fact | None) -> dict[date, int]:
    """What a fact counts: for each day a vector with a lane for each indicator. No fact counts nothing."""
    if fact is None:
        return {}
    measured = _measured.get(fact)
    if measured is None:
        if len(_measured) >= 200_000:
            _measured.clear()
        measured = _measured[fact] = _measure(fact)
    return measured


def _measure(fact: events.Fact) -> dict[date, int]:
    vector: Counter[date] = Counter()
    for one, indicator in _by_fact.get(type(fact), ()):
        if not indicator.where(fact):
            continue
        if isinstance(indicator, Flow):
            if (day := getattr(fact, indicator.on)) is not None:
                amount = indicator.amount(fact)
                if not 0 <= amount <= MOST_OF_ONE_FACT:
                    raise ValueError(f"{indicator.name}: {amount}")
                vector[day] += one * amount
        else:
            vector[getattr(fact, indicator.since)] += one
            if (until := getattr(fact, indicator.until)) is not None:
                vector[until + timedelta(days=1)] -= one
    return dict(vector)


def add_record(cells: Cells, record: Record, recorded_on: date, sign: int = 1) -> None:
    """Add what one event changes to the cells of its own units and days."""
    change = events.decode(record.type, record.dataversion, record.data)
    for fact, factor in ((change.before, -sign), (change.after, sign)):
        for day, vector in measure(fact).items():
            key = (fact.unit, day, recorded_on)  # type: ignore[union-attr]
            cells[key] = cells.get(key, 0) + factor * vector


def spread(cells: Cells) -> Cells:
    """The cells of every unit in which a fact counts: its own, those above, and those that came after."""
    wide: Cells = {}
    for (unit, day, recorded_on), vector in cells.items():
        for counted_in in units.spread(unit):
            key = (counted_in, day, recorded_on)
            wide[key] = wide.get(key, 0) + vector
    return wide


def by_month(cells: Cells) -> Cells:
    """The same cells, summed for each month of the fact and each month in which it was recorded."""
    months: Cells = {}
    for (unit, day, recorded_on), vector in cells.items():
        key = (unit, day.replace(day=1), recorded_on.replace(day=1))
        months[key] = months.get(key, 0) + vector
    return months


def count(
    records: Iterable[Record], dead: list[tuple[Record, str]], most_in_a_row: int, failed_before: int = 0
) -> Cells:
    """The cells of a batch. An event that cannot be counted goes to `dead` and leaves no trace in the cells.

    Raises TooManyDeadLetters, which counts in the `failed_before` that the last batch ended with.
    """
    cells: Cells = {}
    in_a_row = failed_before
    for record in records:
        try:
            mine: Cells = {}
            add_record(mine, record, day_of(record.recorded_at))
            for key in mine:
                units.spread(key[0])
        except (msgspec.DecodeError, KeyError, ArithmeticError, ValueError, TypeError) as error:
            dead.append((record, f"{type(error).__name__}: {error}"))
            in_a_row += 1
            if in_a_row >= most_in_a_row:
                raise TooManyDeadLetters(f"{in_a_row} in a row, the last at {record.seq}") from error
            continue
        in_a_row = 0
        for key, vector in mine.items():
            cells[key] = cells.get(key, 0) + vector
    return cells


def failed_at_end(records: Sequence[Record], dead: Sequence[tuple[Record, str]], failed_before: int) -> int:
    """How many events in a row had failed when the batch ended; the next batch goes on from there."""
    failed = 0
    for record, (failing, _) in zip(reversed(records), reversed(dead), strict=False):
        if record is not failing:
            break
        failed += 1
    return failed_before + failed if failed == len(records) else failed


def tables(set_id: int) -> tuple[str, str]:
    """The names of a set's two tables: by day, by month."""
    return f"counters_day_{set_id}", f"counters_month_{set_id}"


async def make_set(connection: asyncpg.Connection, serving: bool) -> CountingSet:
    """Make the tables of a new set from INDICATORS."""
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
    for source in SOURCES:
        await connection.execute(
            """INSERT INTO positions (set_id, source, generation, seq, event_id, recorded_at, "offset")
            VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            set_id, source, *Mark(),
        )  # fmt: skip
    return _counting_set(set_id, definition)


def _counting_set(set_id: int, definition: dict[str, int]) -> CountingSet:
    return CountingSet(
        set_id, {i.name: index for index, i in enumerate(INDICATORS) if definition.get(i.name) == i.version}
    )


async def serving_set(connection: asyncpg.Connection) -> CountingSet:
    """The set that answers are read from, for whoever counts in it; the first one of an empty installation makes it."""
    row = await connection.fetchrow("SELECT id, indicators FROM counter_sets WHERE serving")
    if row is not None:
        counters = _counting_set(row["id"], row["indicators"])
        known = {name: row["indicators"][name] for name in counters.lanes}
        if known != row["indicators"]:
            # Older code does not go on counting what newer code began; only a rebuild brings such a column back.
            await connection.execute("UPDATE counter_sets SET indicators = $2 WHERE id = $1", counters.id, known)
        return counters
    async with connection.transaction():
        await connection.execute("LOCK TABLE counter_sets")
        if await connection.fetchval("SELECT count(*) FROM counter_sets WHERE serving"):
            return await serving_set(connection)
        return await make_set(connection, serving=True)


async def write(connection: asyncpg.Connection, counters: CountingSet, cells: Cells) -> None:
    """Add the spread cells to the set's two tables, in one statement of two upserts, each in the order of its key."""
    if not cells:
        return
    counters = _narrowed(counters, cells)
    wide = spread(cells)
    by_days, by_months = tables(counters.id)
    days, months = _arrays(counters, wide), _arrays(counters, by_month(wide))
    await connection.execute(
        f"WITH months AS ({_upsert(by_months, counters, len(days))}) {_upsert(by_days, counters, 0)}", *days, *months
    )


def _narrowed(counters: CountingSet, cells: Cells) -> CountingSet:
    """The set with the columns alone that these cells change; the others keep their default of 0.

    Few cells name all columns of the kinds of fact that they count, so that the same few statements come again and again.
    """
    columns = zip(*(lanes_of(v, len(INDICATORS)) for v in cells.values()), strict=True)
    named = {index for index, column in enumerate(columns) if any(column)}
    if len(cells) < MANY_CELLS:
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


def _upsert(table: str, counters: CountingSet, arguments_before: int) -> str:
    columns = ["unit", "happened_on", "recorded_on", *counters.lanes]
    types = ["text", "date", "date", *(["bigint"] * len(counters.lanes))]
    arrays = ", ".join(f"${number}::{type}[]" for number, type in enumerate(types, arguments_before + 1))
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in counters.lanes)
    return f"""INSERT INTO {table} ({", ".join(columns)}) SELECT * FROM unnest({arrays})
        ON CONFLICT (unit, happened_on, recorded_on) DO UPDATE SET {sums}"""


async def apply(
    connection: asyncpg.Connection,
    counters: CountingSet,
    source: Service,
    after: Mark,
    batch: Batch,
    most_dead_in_a_row: int,
    failed_before: int = 0,
) -> int:
    """Count a batch and move the position over it, in one transaction; how many events in a row had failed at its end.

    Raises ConsumerFenced if another has moved the position.
    """
    dead: list[tuple[Record, str]] = []
    cells = count(batch.records, dead, most_dead_in_a_row, failed_before)
    failed = failed_at_end(batch.records, dead, failed_before)
    async with connection.transaction():
        await move(connection, counters, source, after, batch.mark, batch.watermark, failed)
        if dead:
            await bury(connection, counters, source, dead)
        await write(connection, counters, cells)
    return failed


async def move(
    connection: asyncpg.Connection,
    counters: CountingSet,
    source: Service,
    after: Mark,
    to: Mark,
    watermark: datetime | None,
    failed: int,
) -> None:
    """Move the set's position on by compare-and-set, and wake at the commit whoever waits for figures.

    Raises ConsumerFenced if it is no longer where it was.
    """
    moved = await connection.fetch(
        """UPDATE positions SET generation = $3, seq = $4, event_id = $5, recorded_at = $6, "offset" = $7,
          watermark = coalesce($8, watermark), failed_in_a_row = $9
        WHERE set_id = $1 AND source = $2 AND (generation, seq) = ($10, $11)
        RETURNING CASE WHEN (generation, seq) <> ($10, $11)
          THEN pg_notify('counted', source || ':' || generation || ':' || seq) END""",
        counters.id, source, *to, watermark, failed, *after.position,
    )  # fmt: skip
    if not moved:
        raise ConsumerFenced(f"{source} of set {counters.id} is no longer at {after.position}")


async def tell(connection: asyncpg.Connection, source: Service, mark: Mark) -> None:
    """Wake whoever waits for figures, at the commit."""
    await connection.execute("SELECT pg_notify('counted', $1)", f"{source}:{mark.generation}:{mark.seq}")


async def bury(
    connection: asyncpg.Connection, counters: CountingSet, source: Service, dead: Sequence[tuple[Record, str]]
) -> None:
    """Keep what could not be counted, with its reason and place, until it is replayed."""
    log.error("events not counted", source=source, count=len(dead), first=dead[0][1])
    await connection.executemany(
        """INSERT INTO dead_letters
          (set_id, source, generation, seq, id, type, dataversion, subject, recorded_at, data, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                counters.id, source, r.generation, r.seq, r.id, r.type, r.dataversion, r.subject, r.recorded_at,
                r.data, reason,
            )
            for r, reason in dead
        ],
    )  # fmt: skip


async def mark_of(connection: asyncpg.Connection, set_id: int, source: Service) -> Mark:
    """How far a set has counted a source."""
    row = await connection.fetchrow("SELECT * FROM positions WHERE set_id = $1 AND source = $2", set_id, source)
    assert row is not None
    return Mark(*[row[name] for name in Mark._fields])


async def failed_in_a_row(connection: asyncpg.Connection, set_id: int, source: Service) -> int:
    """How many of the last events of a source could not be counted, without a good one between them."""
    failed: int = await connection.fetchval(
        "SELECT failed_in_a_row FROM positions WHERE set_id = $1 AND source = $2", set_id, source
    )
    return failed


async def watermark_of(connection: asyncpg.Connection, set_id: int, source: Service) -> datetime | None:
    """The time up to which a set has counted every commit of a source; None before the log first told of one."""
    watermark: datetime | None = await connection.fetchval(
        "SELECT watermark FROM positions WHERE set_id = $1 AND source = $2", set_id, source
    )
    return watermark


async def run(settings: Settings, database: Database) -> None:
    """Count every source until something fails; a background task of stats, and what `antt count` does."""
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for source in SOURCES:
            group.create_task(_run(settings, database, source, turn))
        group.create_task(_watch_dead_letters(database))


async def _run(settings: Settings, database: Database, source: Service, turn: asyncio.Lock) -> None:
    # One consumer counts a source; another waits here.
    async with one_at_a_time(database.url, f"7304, {SOURCES.index(source)}"):
        async with database.connection() as connection:
            counters = await serving_set(connection)
            mark = await mark_of(connection, counters.id, source)
            failed = await failed_in_a_row(connection, counters.id, source)
            _counted_until[source] = await watermark_of(connection, counters.id, source) or now()
        telemetry.COUNTING_LAG.labels(source).set_function(lambda: (now() - _counted_until[source]).total_seconds())
        counted = telemetry.COUNTED.labels(source)
        async with aclosing(open_log(settings).follow(source, mark, settings.count_batch)) as batches:
            async for batch in batches:
                # The sources of one process take turns, so that they never wait for each other's rows in the database.
                traced = telemetry.batch_span(f"count {source}", [record.traceparent for record in batch.records])
                async with turn, database.connection() as connection:
                    with traced:
                        failed = await apply(
                            connection, counters, source, mark, batch, settings.dead_letters_in_a_row, failed
                        )
                counted.inc(len(batch.records))
                _counted_until[source] = batch.watermark or _counted_until[source]
                mark = batch.mark


async def _watch_dead_letters(database: Database) -> None:
    """Keep the number of events that wait to be replayed in the metrics."""
    while True:
        row = await database.fetchrow(
            "SELECT count(*) FROM dead_letters d JOIN counter_sets s ON s.id = d.set_id WHERE s.serving"
        )
        telemetry.DEAD_LETTERS.set(row[0] if row else 0)
        await asyncio.sleep(15)


async def count_for_ever(settings: Settings) -> None:
    """The consumer as a process of its own: whatever fails is logged, and counting begins again a second later."""
    database = Database(settings.database_url("stats"), settings.database_connections, settings.transaction_seconds)
    await database.open()
    try:
        while True:
            try:
                # A task of its own: a group of tasks that fails would leave us looking as if we had been cancelled.
                await asyncio.ensure_future(run(settings, database))
            except* Exception as failed:
                log.error("counting begins again", reason=[f"{type(e).__name__}: {e}"[:300] for e in failed.exceptions])
            if (us := asyncio.current_task()) is not None and us.cancelling():
                # Of tasks that fail while we are ended only the failures are told; it must not begin again for that.
                raise asyncio.CancelledError
            await asyncio.sleep(1)
    finally:
        await database.close()
