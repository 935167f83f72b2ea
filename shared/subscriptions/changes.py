"""What other systems may read of changes: every event of the service that concerns their area, in outbox order.

The outbox is read in place, whichever log the deployment has: it is the record that the log carries, it lies in this
service's own database, and so changes can be read while a broker is down
(docs/decisions/0016-changes-are-read-from-the-outbox.md).
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import msgspec

from shared.access import Identity
from shared.database import Database
from shared.errors import Problem
from shared.http import Reader
from shared.jurisdiction import area as area_of
from shared.log import (
    CountedBeyondRecovery,
    Mark,
    Record,
    SourceWentBack,
    cloud_event,
    newest_mark,
    outline,
    read_once,
    source_of,
)
from shared.news import news_of
from shared.subscriptions.cursors import cursor_of, mark_of
from shared.subscriptions.schemas import ReadChanges

# One answer looks at so many events at most: who is concerned by few of many comes again with `next`.
_MOST_LOOKED_AT = 20_000
_AT_ONCE = 1_000
# Between two looks of one waiting reader, so that a storm of writes is not multiplied by those who wait.
_PAUSE_SECONDS = 0.25


class ChangesLost(Problem):
    """A restored database no longer has events that the cursor's owner has read; `begin_after` is the last in common."""

    status, name = 410, "changes-lost"
    vi, en = (
        "Cơ sở dữ liệu đã được khôi phục về thời điểm trước: các sự kiện sau `begin_after` không còn hiệu lực, "
        "hãy bỏ chúng và đọc tiếp từ đó.",
        "The database was restored to an earlier time: events read after `begin_after` no longer stand; "
        "drop them and go on from there.",
    )


class FoundChanges(NamedTuple):
    """Events for a reader, the mark behind all that was looked at, and whether more is there."""

    records: list[Record]
    mark: Mark
    more: bool


def concerns(record: Record, area: Collection[str], types: Collection[str]) -> bool:
    """Whether an event is for a reader of these units and types; a record that moved concerns both its
    units, and a tip also the unit that handles it or is asked to."""
    return (not types or record.type in types) and not outline(record).units.isdisjoint(area)


async def mark_at(database: Database, cursor: str) -> Mark:
    """The mark that a cursor names, `now` included. Raises ChangesLost when the outbox no longer goes on from there."""
    async with database.connection() as connection:
        if cursor == "now":
            return await newest_mark(connection)
        mark = mark_of(cursor)
        try:
            await read_once(connection, mark, 0)
        except SourceWentBack:
            begin = await newest_mark(connection, most_seq=mark.seq - 1, until=mark.recorded_at)
        except CountedBeyondRecovery as error:
            begin = await newest_mark(connection, most_seq=error.after_seq)
        else:
            return mark
    raise ChangesLost(begin_after=cursor_of(begin))


async def changes(reader: Reader, query: ReadChanges) -> bytes:
    """The page as JSON, at once or as soon as an event comes within the time to wait."""
    caller, service = reader.caller, reader.service
    caller.require_role("read_changes")
    until = monotonic() + query.wait
    mark = await mark_at(service.database, query.after)
    while True:
        news = news_of(service).next
        found = await _find(service.database, mark, caller, query)
        mark = found.mark
        left = until - monotonic()
        if found.records or found.more or left <= 0:
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await news.wait()
            await asyncio.sleep(min(_PAUSE_SECONDS, max(until - monotonic(), 0)))
    source = source_of(service.settings, service.name)
    items = [msgspec.Raw(cloud_event(source, record)) for record in found.records]
    return msgspec.json.encode({"items": items, "next": cursor_of(mark), "more": found.more})


async def _find(database: Database, mark: Mark, caller: Identity, query: ReadChanges) -> FoundChanges:
    area, records, looked_at = area_of(caller.unit), list[Record](), 0
    most = query.limit
    while looked_at < _MOST_LOOKED_AT:
        async with database.connection() as connection:
            batch = await read_once(connection, mark, most)
        for record in batch.records:
            mark = Mark(record.generation, record.seq, record.id, record.recorded_at)
            if concerns(record, area, query.types):
                records.append(record)
                if len(records) == query.limit:
                    return FoundChanges(records, mark, more=True)
        if len(batch.records) < most:
            return FoundChanges(records, mark, more=False)
        looked_at += most
        most = _AT_ONCE
    return FoundChanges(records, mark, more=True)
