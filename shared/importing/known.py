"""What commands ask while a chunk of rows is decided: the same question gets the same answer, and is asked once."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

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
