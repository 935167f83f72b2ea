"""One question about a kind of record, asked in three ways: as a page, as a number, as an export.

A room tells in a literal table which filters its records have (`Records`); a question is the caller's reach and the
filters of one query, and everything that is shown, counted or exported comes out of it. So an export never shows what
a list would not.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from services.incidents.steps import invalid
from shared.auth import Identity
from shared.database import Database, Row
from shared.days import VIETNAM, QueryDay
from shared.errors import ForeignArea
from shared.http import Input, Page
from shared.text import UnitId

Sort = Literal["oldest", "newest"]

# An area of so few units is read unit by unit, each in the order of time; a wider one in the order of time at once.
_FEW = 16


class Search(Input):
    """What every kind of record is searched by: a unit and all below it, and a period of civil days, both included."""

    unit: Annotated[UnitId | None, Query()] = None
    from_: Annotated[QueryDay | None, Field(alias="from")] = None
    to: Annotated[QueryDay | None, Query()] = None


class SearchPage(Page):
    """A page of what was searched, the oldest or the newest first."""

    sort: Annotated[Sort, Query()] = "oldest"


class Count(BaseModel):
    """How many records a list holds on all its pages."""

    count: int


class Records(NamedTuple):
    """How one kind of record is searched."""

    table: str
    # Lists are in the order of this column and periods are of it: an instant, or a civil day.
    at: str
    may: str
    # Each field of the query, and the condition that it stands for; the field's name in braces is its value.
    filters: Mapping[str, str]
    at_is_day: bool = False
    # By what a record is of the caller's area, each of which leaves out what those before it let through.
    reach: tuple[str, ...] = ("unit = ANY({area}::text[])",)
    # What belongs to no team is not shown to a leader.
    of_teams: bool = True


class Question:
    """The records of one kind that the caller may see and that the query asks for."""

    def __init__(self, records: Records, caller: Identity, query: Search) -> None:
        """Raises as `Identity.reach` does; ForeignArea for a leader who asks for what belongs to no team."""
        self._records = records
        # Values by the names that stand for them in the conditions.
        self._values: dict[str, Any] = {}
        self._conditions: list[str] = []
        team, self._area = caller.reach(records.may, query.unit)
        if team is not None and not records.of_teams:
            raise ForeignArea(unit=query.unit or caller.unit)
        self._where("team_id = {own_team}::uuid", own_team=team)
        self._where(records.at + " >= {begin}", begin=self._begin(query.from_))
        self._where(records.at + " < {end}", end=self._begin(query.to and query.to + timedelta(days=1)))
        for name, condition in records.filters.items():
            self._where(condition, **{name: getattr(query, name)})

    async def page(self, database: Database, sort: Sort, limit: int, after: UUID | None = None) -> list[Row]:
        """At most `limit` rows behind the one named by `after`."""
        if after is None:
            return await self._page(database, sort, limit, None)
        at, table = self._records.at, self._records.table
        last = await database.fetchrow(f"SELECT {at} AS at FROM {table} WHERE id = $1", after)
        if last is None:
            raise invalid("after", "unknown", "the id of the row that the page before ended with")
        return await self._page(database, sort, limit, (last["at"], after))

    async def pages(self, database: Database, sort: Sort, limit: int) -> AsyncIterator[list[Row]]:
        """Every row, page by page; each page shows its rows as they stand when it is read."""
        last = None
        while rows := await self._page(database, sort, limit, last):
            yield rows
            last = (rows[-1][self._records.at], rows[-1]["id"])

    async def count(self, database: Database) -> int:
        """How many rows there are."""
        in_area = f"({' OR '.join(self._records.reach)})" if self._area is not None else "true"
        sql, values = self._numbered(f"SELECT count(*) FROM {self._records.table} WHERE {self._all(in_area)}")
        return int((await database.fetch(sql, *values))[0][0])

    async def _page(self, database: Database, sort: Sort, limit: int, last: tuple[Any, UUID] | None) -> list[Row]:
        table, at = self._records.table, self._records.at
        order = f"{at}, id" if sort == "oldest" else f"{at} DESC, id DESC"
        first = f"ORDER BY {order} LIMIT {limit:d}"
        behind = "true"
        if last is not None:
            behind = f"({at}, id) {'>' if sort == 'oldest' else '<'} ({{last_at}}, {{last_id}})"
        branches = " UNION ALL ".join(f"({branch} {first})" for branch in self._branches(behind, first))
        sql, values = self._numbered(
            f"""SELECT {table}.* FROM (SELECT id, {at} FROM ({branches}) AS found {first}) AS page
            JOIN {table} USING (id, {at}) ORDER BY {order}""",
            last_at=last and last[0],
            last_id=last and last[1],
        )
        return [dict(row) for row in await database.fetch(sql, *values)]

    def _branches(self, behind: str, first: str) -> Iterator[str]:
        """Selects of (id, at), each of which reads an index in the order of time and ends after a page."""
        select = f"SELECT id, {self._records.at} FROM {self._records.table} WHERE"
        if self._area is None:
            yield f"{select} {self._all(behind)}"
            return
        own, *others = self._records.reach
        if len(self._area) <= _FEW:
            yield f"""SELECT each.* FROM unnest({{area}}::text[]) AS its(unit)
                CROSS JOIN LATERAL ({select} {self._all("unit = its.unit", behind)} {first}) AS each"""
        else:
            yield f"{select} {self._all(own, behind)}"
        for reach in others:
            yield f"{select} {self._all(reach, behind)}"

    def _where(self, condition: str, **values: Any) -> None:
        (value,) = values.values()
        if value is not None:
            self._conditions.append(condition)
            self._values |= values

    def _all(self, *more: str) -> str:
        return " AND ".join((*more, *self._conditions))

    def _numbered(self, sql: str, **more: Any) -> tuple[str, list[Any]]:
        """The statement with $1, $2 … for the names in braces, and their values in that order."""
        values, numbers = {**self._values, **more, "area": self._area}, dict[str, int]()

        def number(name: re.Match[str]) -> str:
            return f"${numbers.setdefault(name[1], len(numbers) + 1)}"

        numbered = re.sub(r"{(\w+)}", number, sql)
        return numbered, [values[name] for name in numbers]

    def _begin(self, day: date | None) -> datetime | date | None:
        if day is None or self._records.at_is_day:
            return day
        return datetime.combine(day, time(), VIETNAM)
