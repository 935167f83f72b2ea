"""What commands ask while a chunk of rows is decided: the same question gets the same answer, and is asked once."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from shared import references
from shared.database import Database
from shared.outbox.rows import table_of
from shared.outbox.statements import record_of


class Known(Database):
    """A service's database for the commands of one chunk; `answers` holds what was learnt at once, by question."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.answers: dict[tuple[Any, ...], asyncpg.Record | None] = {}

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the service's own pool."""
        async with self._database.connection() as connection:
            yield connection

    async def fetchrow(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of a query, or None."""
        asked = (sql, *(tuple(each) if isinstance(each, list) else each for each in arguments))
        if asked in self.answers:
            return self.answers[asked]
        found = await self._database.fetchrow(sql, *arguments)
        if found is not None:
            self.answers[asked] = found
        return found

    async def learn_each(self, sql: str, asked: Sequence[tuple[Any, ...]]) -> None:
        """Ask a question about many at once: its parameters are arrays, and the `number` of a row says whom it answers."""
        found = (
            {row["number"]: row for row in await self.fetch(sql, *map(list, zip(*asked, strict=True)))} if asked else {}
        )
        for number, each in enumerate(asked, 1):
            self.answers[(sql, *((parameter,) for parameter in each))] = found.get(number)

    async def learn_references(
        self, model: type[object], system: str, named: Collection[str]
    ) -> dict[str, asyncpg.Record]:
        """Learn which records have these references of a system, and which references nobody has; the records."""
        if not named:
            return {}
        table = table_of(model)
        found = await self.fetch(
            f"SELECT * FROM {table.name} WHERE source_system = $1 AND reference = ANY($2)", system, list(named)
        )
        records = {record["reference"]: record for record in found}
        for reference in named:
            self.answers[(references.record_of(table), system, reference)] = records.get(reference)
        for record in found:
            self.answers[(record_of(table), record["id"])] = record
        return records

    async def ids_of(
        self, model: type[object], system: str, named: Collection[str | None]
    ) -> dict[str | None, UUID | None]:
        """Learn which records have these references of a system; the id of each, None for one that nobody has."""
        found = await self.learn_references(model, system, [each for each in named if each is not None])
        return {each: found[each]["id"] if each in found else None for each in named}
