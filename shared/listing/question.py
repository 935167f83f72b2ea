"""One question about a kind of record, asked in three ways: as a page, as a number, as an export.

A room says in a literal table which filters its records have (`Records`); a question is the caller's reach and the
filters of one query, and everything that is shown, counted or exported comes out of it. So an export never shows what
a list would not.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
from fastapi import Query
from pydantic import AfterValidator, BaseModel, Field

from shared.access import Identity
from shared.database import Database
from shared.days import VIETNAM, Day, day_of, today
from shared.errors import ForeignArea, invalid
from shared.http import Input, Page
from shared.service import Service, Task
from shared.text import Line, UnitId
from shared.validity import served

Sort = Literal["oldest", "newest"]

# An area of so few units is read unit by unit, each in the order of time; a wider one in the order of time at once.
_FEW = 16
# Words are looked for in so many spans of days first, of 32 days (`#`) or of 256 (`~`), and at last everywhere: in a few
# units, whose records are few, and in a wide area.
_OF_FEW, _OF_MANY = (("~", 2),), (("#", 2), ("~", 3))
_DAYS = {"#": 32, "~": 256}
_FIRST_DAY = date(1900, 1, 1)

# What a list is in the order of, of one row: its instant or day and its id, or the id alone.
Cursor = tuple[Any, ...]


def _a_word(text: str) -> str:
    if not any(letter.isalnum() for letter in text):
        raise ValueError("at least one word")
    return text


# Words that are looked for; a field `text` of a query is of this type.
Sought = Annotated[Line, AfterValidator(_a_word)]


class Search(Input):
    """What every kind of record is searched by: a unit and all below it, and a period of civil days, both included."""

    unit: Annotated[UnitId | None, Query()] = None
    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Annotated[Day | None, Query()] = None


class ListQuery(Search, Page):
    """A page of what was searched, the oldest or the newest first."""

    sort: Annotated[Sort, Query()] = "oldest"


class Count(BaseModel):
    """How many records a list holds on all its pages."""

    count: int


def _without_signs(text: str) -> str:
    """The SQL of a text whose signs are spaces: PostgreSQL would else take `3/2` for a path and `tro.Hai` for a host."""
    for sign in ".,:;/-_@&<>“”‘’–—…•\u00a0":
        text = f"replace({text}, '{sign}', ' ')"
    return text


class Words(NamedTuple):
    """How records are found by their words, without diacritics (the text search configuration `vietnamese`).

    Of records that come in floods the GIN index has, beside the words of `text`, the units that reach a record, its state,
    and its spans of 32 and 256 days, so that it finds the words of a place or a time at once. All are SQL; `day` is a date.
    """

    text: str
    units: tuple[str, ...] = ()
    state: str | None = None
    day: str | None = None

    @property
    def indexed(self) -> str:
        """The expression that the index is made of."""
        facets = [f"'@' || {unit}" for unit in self.units]
        if self.state is not None:
            facets.append(f"'=' || {self.state}")
        if self.day is not None:
            since = f"({self.day} - '{_FIRST_DAY}'::date)"
            facets += [f"'{sign}' || ({since} / {days})::text" for sign, days in _DAYS.items()]
        words = f"strip(to_tsvector('vietnamese', {_without_signs(self.text)}))"
        return f"({words} || array_to_tsvector(ARRAY[{', '.join(facets)}]))" if facets else words

    @property
    def sought(self) -> str:
        """The words of a text that is looked for, `{text}`."""
        return f"plainto_tsquery('vietnamese', {_without_signs('{text}')})"


class Records(NamedTuple):
    """How one kind of record is searched."""

    table: str
    # Lists are in the order of this column: an instant, a civil day, or `id`, which is the order of entry.
    at: str
    may: str
    # Each field of the query, and the condition that it stands for; the field's name in braces is its value.
    filters: Mapping[str, str]
    # Fields whose values stand for a few records each, by selects of their ids.
    lookups: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    # The column of civil days that periods are of; without one they are of the instants `at`.
    day: str | None = None
    # The columns by any of which a record is of an area: its unit first, then what only few records have.
    reach: tuple[str, ...] = ("unit",)
    # By what a record belongs to the team of a leader; without it no record does.
    of_team: str | None = "team_id = {own_team}::uuid"
    # A select whose rows are listed in place of the table's, with its `id`; what the query names stands in braces here too.
    rows: str | None = None
    # What is read of each row, if it is more than its columns.
    columns: str = "{table}.*"
    words: Words | None = None


def span_of(day: date, length: str) -> int:
    """The number of the span of 32 days (`#`) or of 256 days (`~`) that a day is in; words are indexed with both."""
    return (day - _FIRST_DAY).days // _DAYS[length]


class Question:
    """The records of one kind that the caller may see and that the query asks for."""

    def __init__(self, records: Records, caller: Identity, query: Search) -> None:
        """Raises as `Identity.reach` does; ForeignArea for a leader who asks for what belongs to no team."""
        self._records = records
        self._from = f"({records.rows}) AS {records.table}" if records.rows is not None else records.table
        # The columns that a list is in the order of.
        self._key = tuple(dict.fromkeys((records.at, "id")))
        self._keys = ", ".join(self._key)
        # Values by the names that stand for them in the conditions.
        self._values: dict[str, Any] = dict(query)
        self._conditions: list[str] = []
        self._period = query.from_, query.to
        self._text: str | None = getattr(query, "text", None)
        team, self._area = caller.reach(records.may, query.unit)
        self._outside = sorted(served().difference(self._area or ()))
        self._is_nearly_all = self._area is not None and len(self._outside) < len(self._area)
        if team is not None:
            if records.of_team is None:
                raise ForeignArea(unit=query.unit or caller.unit)
            self._where(records.of_team, own_team=team)
        period = records.day or records.at
        self._where(period + " >= {begin}", begin=self._begin(query.from_))
        self._where(period + " < {end}", end=self._begin(query.to and query.to + timedelta(days=1)))
        for name, condition in records.filters.items():
            self._where(condition, **{name: getattr(query, name)})
        asked = {name: getattr(query, name) for name in records.lookups}
        # As an array, so that these few are looked up first, whatever else they must be.
        looked_up = [f"id = ANY(ARRAY({records.lookups[name][value]}))" for name, value in asked.items() if value]
        self._conditions += looked_up
        self._is_looked_up = bool(looked_up)

    async def page(self, database: Database, sort: Sort, limit: int, after: UUID | None = None) -> list[asyncpg.Record]:
        """At most `limit` rows behind the one named by `after`."""
        if after is None:
            return await self._page(database, sort, limit, None)
        if self._key == ("id",):
            return await self._page(database, sort, limit, (after,))
        sql, values = self._numbered(f"SELECT {self._keys} FROM {self._from} WHERE id = {{after}}", after=after)
        last = await database.fetchrow(sql, *values)
        if last is None:
            raise invalid("after", "unknown", "the id of the row that the page before ended with")
        return await self._page(database, sort, limit, tuple(last))

    async def pages(self, database: Database, sort: Sort, limit: int) -> AsyncIterator[list[asyncpg.Record]]:
        """Every row, page by page; each page shows its rows as they stand when it is read."""
        last = None
        while rows := await self._page(database, sort, limit, last):
            yield rows
            last = self._cursor(rows[-1])

    async def count(self, database: Database) -> int:
        """How many rows there are."""
        facets = self._facets([])
        said = [self._says(facets)] if self._text is not None else []
        sql, values = self._numbered(
            f"SELECT count(*) FROM {self._from} WHERE {self._all(*said, *self._in_reach())}", facets=facets
        )
        return int((await database.fetch(sql, *values))[0][0])

    async def _page(self, database: Database, sort: Sort, limit: int, last: Cursor | None) -> list[asyncpg.Record]:
        order = self._keys if sort == "oldest" else ", ".join(f"{column} DESC" for column in self._key)
        # Part of the statement, for a plan without it would expect a tenth of all rows.
        first = f"ORDER BY {order} LIMIT {limit:d}"
        if self._text is None:
            branches = self._branches(self._behind(sort, last), first)
            found = " UNION ".join(f"({branch} {first})" for branch in branches)
            return await self._read(database, found, order, limit, last)
        rows: list[asyncpg.Record] = []
        # Words are not indexed in the order of time, so they are looked for in ever longer times until the page is full.
        for spans in await self._spans(database, sort, last):
            cursor, facets = self._cursor(rows[-1]) if rows else last, self._facets(spans)
            conditions = self._all(self._says(facets), *self._in_reach(), self._behind(sort, cursor))
            # OFFSET 0: all that hold the words shall be looked up, not the order of time gone through for them.
            found = f"SELECT {self._keys} FROM {self._from} WHERE {conditions} OFFSET 0"
            rows += await self._read(database, found, order, limit - len(rows), cursor, facets)
            if len(rows) == limit:
                break
        return rows

    async def _read(
        self, database: Database, found: str, order: str, limit: int, last: Cursor | None, facets: str = ""
    ) -> list[asyncpg.Record]:
        """The rows of `found`, a select of what the list is in the order of, that come first."""
        sql, values = self._numbered(
            f"""SELECT {self._records.columns.format(table=self._records.table)}
            FROM (SELECT {self._keys} FROM ({found}) AS found ORDER BY {order} LIMIT {limit:d}) AS page
            JOIN {self._from} USING ({self._keys}) ORDER BY {order}""",
            **{f"last_{column}": value for column, value in zip(self._key, last or (), strict=bool(last))},
            facets=facets,
        )
        return await database.fetch(sql, *values)

    def _branches(self, behind: str, first: str) -> Iterator[str]:
        """Selects of what the list is in the order of, each of which reads an index so and ends after a page."""
        select = f"SELECT {self._keys} FROM {self._from} WHERE"
        if self._area is None or self._is_looked_up:
            yield f"{select} {self._all(*self._in_reach(), behind)}"
            return
        own, *others = self._reaches()
        if len(self._area) <= _FEW and self._records.rows is not None:
            # What is joined has no index in this order, and a walk that looks for a unit without records goes through all.
            yield f"SELECT {self._keys} FROM ({select} {self._all(own, behind)} OFFSET 0) AS few"
        elif len(self._area) <= _FEW:
            yield f"""SELECT each.* FROM unnest({{area}}::text[]) AS its(unit)
                CROSS JOIN LATERAL ({select} {self._all(f"{self._records.reach[0]} = its.unit", behind)} {first}) AS each"""
        else:
            yield f"{select} {self._all(own, behind)}"
        for reach in others:
            yield f"{select} {self._all(reach, behind)}"

    def _reaches(self) -> list[str]:
        """The conditions of which one must hold so that a record is of the area."""
        unit = self._records.reach[0]
        own, *others = (f"{column} = ANY({{area}}::text[])" for column in self._records.reach)
        if not self._is_nearly_all:
            return [own, *others]
        # Nearly every record is of the area: the few units outside say it in fewer words, and planning costs words.
        rest = [f"{other} AND {unit} = ANY({{outside}}::text[])" for other in others]
        return [f"{unit} <> ALL({{outside}}::text[])", *rest] if self._outside else ["true"]

    def _in_reach(self) -> list[str]:
        return [f"({' OR '.join(self._reaches())})"] if self._area is not None else []

    def _behind(self, sort: Sort, last: Cursor | None) -> str:
        if last is None:
            return "true"
        values = ", ".join(f"{{last_{column}}}" for column in self._key)
        return f"({self._keys}) {'>' if sort == 'oldest' else '<'} ({values})"

    def _cursor(self, row: asyncpg.Record) -> Cursor:
        return tuple(row[column] for column in self._key)

    def _says(self, facets: str) -> str:
        """The condition that a record holds every word of the text, and what stands beside the words in their index."""
        assert self._records.words is not None
        words = self._records.words
        return f"{words.indexed} @@ ({words.sought}{' && {facets}::text::tsquery' if facets else ''})"

    def _facets(self, spans: list[str]) -> str:
        """A tsquery of what stands beside the words: units that reach a record, its state, its span; empty: any will do."""
        words = self._records.words
        if words is None:
            return ""
        units = self._area if words.units and self._area is not None and len(self._area) <= _FEW else []
        either = [[f"'@{unit}'" for unit in units], spans]
        if words.state is not None and self._values["state"] is not None:
            either.append([f"'={self._values['state']}'"])
        return " & ".join(f"({' | '.join(facets)})" for facets in either if facets)

    async def _spans(self, database: Database, sort: Sort, last: Cursor | None) -> list[list[str]]:
        """Ever longer times to look for words in, each as the spans that stand beside the words; at last any time."""
        if self._records.words is None or self._records.words.day is None:
            return [[]]
        begin, end = self._period
        if sort == "oldest" and last is None and begin is None:
            table, at = self._records.table, self._records.at
            first = await database.fetchrow(f"SELECT {at} AS at FROM {table} ORDER BY {at} LIMIT 1")
            begin = day_of(first["at"]) if first is not None else today()
        # A clock that runs ahead may have dated a record tomorrow.
        tomorrow = today() + timedelta(days=1)
        edge = day_of(last[0]) if last is not None else begin if sort == "oldest" else min(end or tomorrow, tomorrow)
        assert edge is not None
        few = self._area is not None and len(self._area) <= _FEW
        # A longer time may begin with a shorter one that was looked through; what was found there lies before its cursor.
        return [
            *(
                self._span(length, span_of(edge, length), how_many, sort)
                for length, how_many in (_OF_FEW if few else _OF_MANY)
            ),
            [],
        ]

    def _span(self, length: str, first: int, how_many: int, sort: Sort) -> list[str]:
        return [f"'{length}{first + (number if sort == 'oldest' else -number)}'" for number in range(how_many)]

    def _where(self, condition: str, **values: Any) -> None:
        (value,) = values.values()
        if value is not None:
            self._conditions.append(condition)
            self._values |= values

    def _all(self, *more: str) -> str:
        return " AND ".join((*more, *self._conditions)) or "true"

    def _numbered(self, sql: str, **more: Any) -> tuple[str, list[Any]]:
        """The statement with $1, $2 … for the names in braces, and their values in that order."""
        values, numbers = (
            {**self._values, **more, "area": self._area, "outside": self._outside, "text": self._text},
            dict[str, int](),
        )

        def number(name: re.Match[str]) -> str:
            return f"${numbers.setdefault(name[1], len(numbers) + 1)}"

        numbered = re.sub(r"{(\w+)}", number, sql)
        return numbered, [values[name] for name in numbers]

    def _begin(self, day: date | None) -> datetime | date | None:
        if day is None or self._records.day is not None:
            return day
        return datetime.combine(day, time(), VIETNAM)


def sort_words_in(index: str) -> Task:
    """The job that sorts the words of new records into their index, each second; it is right without, only slower to read.

    Intake appends words to a list, which costs it a tenth of sorting them in. It takes a quarter of the time at most,
    so that intake goes on while a flood comes in.
    """

    async def run(service: Service) -> None:
        while True:
            started = asyncio.get_running_loop().time()
            await service.database.fetch(f"SELECT gin_clean_pending_list('{index}')")
            await asyncio.sleep(max(1, 3 * (asyncio.get_running_loop().time() - started)))

    return run
