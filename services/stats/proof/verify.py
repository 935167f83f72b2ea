"""Proves that counters are right: each source service counts its own tables anew, and every cell is compared.

The counters are read at their position P and a recount at its own position S, while writes go on;
a recount is never the older one, and the events between the two are taken from it. Stats knows neither the tables
nor the SQL of the services: they recount by the records' own units and days, and what lies between comes from the log.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import date
from time import monotonic
from typing import NamedTuple

import asyncpg
import httpx
import msgspec

from services.stats import counting
from services.stats.counting import CountingSet, lane, lanes_of
from services.stats.indicators import INDICATORS
from services.stats.proof import dead_letters
from services.stats.proof.differences import Comparison, Difference, compare
from services.stats.proof.rebuild import LogIsSilent
from shared import units
from shared.access.issuer import issue_token
from shared.database import Database
from shared.events import EVENTS_OF
from shared.log import Log, Mark, Record, Source, open_log, sources_of
from shared.outbox import Position
from shared.settings import Settings

_PATIENCE_SECONDS = 30
# Of a service whose events no indicator counts there is nothing to compare.
_COUNTED = {indicator.of for indicator in INDICATORS}
_LANES = {indicator.name: index for index, indicator in enumerate(INDICATORS)}

# What counts for each own unit and day, as a vector.
Own = dict[tuple[str, date], int]


class NotTheSameOutbox(Exception):
    """A service's tables lack what was counted of it, so that no figures can be compared."""


class RecountRefused(Exception):
    """A service did not answer with its recount."""


class Verified(NamedTuple):
    """What was compared and what differs: cells of counters and recounts, and months beside the days they sum up.

    `positions`: for each source where the counters and the recount stood; `uncounted`: events that could not be
    counted; `explained`: the differing cells that these explain; `left_out`: indicators that only one side has.
    """

    positions: dict[Source, tuple[Position, Position]]
    comparison: Comparison
    months: Comparison
    uncounted: int
    explained: int
    left_out: list[str]

    @property
    def right(self) -> bool:
        """Whether every cell is what the tables say."""
        return not self.comparison.differing and not self.months.differing


class _RecountPosition(msgspec.Struct):
    generation: int
    seq: int
    event_id: str | None = None


class _Cell(msgspec.Struct):
    unit: str
    on: date
    indicator: str
    count: int


async def verify(settings: Settings, http: httpx.AsyncClient) -> Verified:
    """Compare every cell of the serving counters with the services' recounts.

    Raises RecountRefused, LogIsSilent, NotTheSameOutbox, or what the log says of a source that was restored.
    """
    database = Database(settings.database_url("stats"), 1, 0)
    await database.open()
    try:
        async with database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            return await _verify(settings, connection, http)
    finally:
        await database.close()


async def _verify(settings: Settings, connection: asyncpg.Connection, http: httpx.AsyncClient) -> Verified:
    sources = [source for source in sources_of(settings) if _COUNTED.intersection(EVENTS_OF[source.service].values())]
    counters = await counting.serving_set(connection, sources)
    by_day, by_month = counting.tables(counters.id)
    # A rebuild that swaps meanwhile leaves the tables until this transaction is over.
    await connection.execute(f"LOCK TABLE {by_day}, {by_month} IN ACCESS SHARE MODE")
    log, own, named = open_log(settings), Own(), set[str]()
    positions: dict[Source, tuple[Position, Position]] = {}
    failed: list[Record] = []
    progress = await counting.progress_of(connection, counters.id, sources)
    for source in sources:
        counted = progress[source].mark
        recounted = await _caught_up(settings, http, source, counted, own, named)
        await _level(log, source, counted, recounted, settings.count_batch, own, failed)
        positions[source] = counted.position, recounted
    await _copy(connection, counters, own)
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in counters.lanes)
    comparison = await compare(
        connection,
        f"(SELECT unit, happened_on, {sums} FROM {by_day} GROUP BY 1, 2)",
        f"(SELECT unit, happened_on, {sums} FROM recounted GROUP BY 1, 2)",
        list(counters.lanes),
        keys=("unit", "happened_on"),
    )
    months = await compare(
        connection,
        f"""(SELECT unit, date_trunc('month', happened_on)::date AS happened_on,
          date_trunc('month', recorded_on)::date AS recorded_on, {sums} FROM {by_day} GROUP BY 1, 2, 3)""",
        by_month,
        list(counters.lanes),
    )
    letters = [*await dead_letters.records_of(connection, counters.id), *failed]
    return Verified(
        positions,
        comparison,
        months,
        len(letters),
        _explained(comparison.differences, letters),
        sorted(named.difference(counters.lanes)),
    )


async def _caught_up(
    settings: Settings, http: httpx.AsyncClient, source: Source, counted: Mark, own: Own, named: set[str]
) -> Position:
    """Add what a service recounts, once its tables have come as far as the counters: one that reads a replica may lag.

    Positions come before figures: tables of another past may have the same sums.
    """
    until = monotonic() + _PATIENCE_SECONDS
    while (recounted := await _add_recount(settings, http, source, counted, own, named)) is None:
        if monotonic() > until:
            raise NotTheSameOutbox(f"{source.label} does not come as far as what was counted of it, {counted.position}")
        await asyncio.sleep(0.5)
    return recounted


async def _add_recount(
    settings: Settings, http: httpx.AsyncClient, source: Source, counted: Mark, own: Own, named: set[str]
) -> Position | None:
    """Add what a service recounts; the position in its outbox that it is of, None while that is before what was counted."""
    token = settings.token or issue_token(settings, "operator", settings.province)
    url = f"{getattr(settings, f'{source.service}_url').rstrip('/')}/{source.service}/v1/recount"
    position: _RecountPosition | None = None
    try:
        headers, query = {"Authorization": f"Bearer {token}"}, {"counted": counted.seq}
        async with http.stream("GET", url, headers=headers, params=query) as answer:
            if answer.status_code != 200:
                raise RecountRefused(f"{source.label} answers {answer.status_code} to {url}")
            async for line in answer.aiter_lines():
                if position is None:
                    position = msgspec.json.decode(line, type=_RecountPosition)
                    if position.seq < counted.seq and position.generation <= counted.generation:
                        return None
                    if counted.event_id is not None and position.event_id != counted.event_id:
                        raise NotTheSameOutbox(
                            f"{source.label} stands at {(position.generation, position.seq)}, without what was counted of it as "
                            f"{counted.position}: a database was restored"
                        )
                    continue
                cell = msgspec.json.decode(line, type=_Cell)
                if units.get(cell.unit) is None:
                    raise RecountRefused(f"{source.label} counts in a unit that does not exist: {cell.unit}")
                named.add(cell.indicator)
                if cell.indicator in _LANES:
                    key = cell.unit, cell.on
                    own[key] = own.get(key, 0) + cell.count * lane(_LANES[cell.indicator])
    except (httpx.TransportError, msgspec.DecodeError) as error:
        raise RecountRefused(f"{url}: {type(error).__name__}: {error}") from error
    if position is None:
        raise RecountRefused(f"{source.label} answers nothing to {url}")
    return Position(position.generation, position.seq)


async def _level(
    log: Log,
    source: Source,
    counted: Mark,
    recounted: Position,
    most: int,
    own: Own,
    failed: list[Record],
) -> None:
    """Take from the recount what happened since the counters' position, by the events that lie between the two."""
    if recounted.seq == counted.seq:
        return
    events = _between(log, source, counted, recounted, most)
    async with aclosing(events) as parts:
        async for records in parts:
            cells, dead, _ = counting.count(records, most_in_a_row=len(records) + 1)
            failed += [record for record, _ in dead]
            for (unit, day, _), vector in cells.items():
                own[unit, day] = own.get((unit, day), 0) - vector


async def _between(
    log: Log, source: Source, after: Mark, until: Position, most: int
) -> AsyncGenerator[list[Record], None]:
    heard_at = monotonic()
    async with aclosing(log.follow(source, after, most)) as batches:
        async for batch in batches:
            yield [record for record in batch.records if (record.generation, record.seq) <= until]
            if batch.mark.position >= until or batch.mark.seq == until.seq:
                return
            heard_at = monotonic() if batch.records else heard_at
            if monotonic() - heard_at > _PATIENCE_SECONDS:
                raise LogIsSilent(f"the log of {source.label} ends at {batch.mark.seq}; its tables are at {until.seq}")


async def _copy(connection: asyncpg.Connection, counters: CountingSet, own: Own) -> None:
    columns = ", ".join(f"{name} bigint" for name in counters.lanes)
    await connection.execute(
        f"""CREATE TEMPORARY TABLE recounted (unit text COLLATE "C", happened_on date, {columns}) ON COMMIT DROP"""
    )
    await connection.copy_records_to_table("recounted", records=_rows(counters, own))


def _rows(counters: CountingSet, own: Own) -> Iterator[tuple[object, ...]]:
    """What each own cell counts, in every unit that it counts in."""
    for (unit, day), vector in own.items():
        values = lanes_of(vector, len(INDICATORS))
        counts = [values[index] for index in counters.lanes.values()]
        for counted_in in units.spread(unit):
            yield counted_in, day, *counts


def _explained(differences: list[Difference], letters: list[Record]) -> int:
    """How many of the differing cells are exactly what the letters would add, as far as these can be measured now."""
    owed: Own = {}
    cells = counting.spread(counting.count(letters, most_in_a_row=len(letters) + 1).cells)
    for (unit, day, _), vector in cells.items():
        owed[unit, day] = owed.get((unit, day), 0) + vector

    def owes(cell: Difference) -> bool:
        values = lanes_of(owed.get((cell.unit, cell.happened_on), 0), len(INDICATORS))
        return values[_LANES[cell.indicator]] == cell.now - cell.was

    return sum(map(owes, differences))
