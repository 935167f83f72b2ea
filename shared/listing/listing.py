"""The three ways in which a list is asked for, of any kind of record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import asyncpg
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shared.http import Reader
from shared.listing.columns import Column
from shared.listing.export import ExportQuery, export
from shared.listing.question import Count, ListQuery, Question, Records, Search

Shown = TypeVar("Shown", bound=BaseModel)


@dataclass(frozen=True)
class Listing(Generic[Shown]):
    """A kind of record as it is listed: how it is searched, what is shown of a row, and the columns and name of its file."""

    records: Records
    shown: Callable[[asyncpg.Record], Shown]
    file: str
    columns: list[Column]

    async def page(self, reader: Reader, query: ListQuery) -> list[Shown]:
        """A page of the records in the caller's reach."""
        rows = await Question(self.records, reader.caller, query).page(
            reader.database, query.sort, query.limit, query.after
        )
        return [self.shown(row) for row in rows]

    async def count(self, reader: Reader, query: Search) -> Count:
        """How many records the list holds on all its pages."""
        return Count(count=await Question(self.records, reader.caller, query).count(reader.database))

    async def export(self, reader: Reader, query: ExportQuery) -> StreamingResponse:
        """The same list as a file."""
        question = Question(self.records, reader.caller, query)
        return await export(reader, question, query, self.file, self.columns, self.shown)
