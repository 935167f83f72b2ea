"""What a list holds, as a file: CSV and XLSX for people, NDJSON for other systems.

A file is read page by page from the same question as the list, so it is never whole in memory and shows no row that
the list would not. Each page shows its rows as they stand when it is read; a row that moves in time meanwhile may be
met twice or missed. A file that breaks off was not finished: its connection ends without the last chunk.
"""

import asyncio
import csv
import re
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import ExitStack, aclosing
from datetime import date, datetime
from io import StringIO
from time import monotonic
from typing import IO, Annotated, Any, ClassVar, Literal

import asyncpg
import structlog
from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from shared.days import VIETNAM, today
from shared.errors import Overloaded, Problem
from shared.files.store import StoreUnavailable
from shared.http import Reader, problems
from shared.limits import AtMost
from shared.listing.columns import Column, cell, harmless
from shared.listing.question import Question, Search, Sort

log = structlog.get_logger()

Format = Literal["csv", "xlsx", "ndjson"]
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ndjson": "application/x-ndjson",
}
# Rows that are read at once; intake waits no longer than it takes to write these.
_ROWS = 200
# A sheet holds 1,048,576 rows, its titles included.
_SHEET_ROWS = 1_048_575
# Exports that a process makes at the same time, so that they take neither its connections nor its processor.
_AT_ONCE = AtMost(2)
# Who takes nothing for so long has gone, and who takes less than a modem would keeps others from theirs.
_STALLED_SECONDS = 30
_LEAST_BYTES_A_SECOND = 4_096

# Two code points that Unicode calls valid and XML does not.
_NOT_XML = re.compile("[\ufffe\uffff]")


class ExportQuery(Search):
    """All of what was searched as which file, the oldest or the newest first."""

    # The fields that hold what somebody wrote, which may name a person: a log is no place for that.
    free_words: ClassVar[frozenset[str]] = frozenset({"text"})

    format: Annotated[Format, Query()] = "csv"
    sort: Annotated[Sort, Query()] = "oldest"


class TooManyRows(Problem):
    """A sheet of XLSX holds 1,048,575 rows below its titles."""

    status, name = 422, "too-many-rows"
    vi, en = (
        "Quá nhiều dòng cho một tệp XLSX; hãy thu hẹp điều kiện hoặc dùng CSV.",
        "Too many rows for an XLSX file; narrow the question or take CSV.",
    )


# How the answers of an export are documented.
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file. CSV is UTF-8 with a byte order mark, its days as 2026-11-30 and hours of Viet Nam.",
        "content": {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()},
    },
    **problems(TooManyRows, Overloaded),
}


async def export(
    reader: Reader,
    question: Question,
    query: ExportQuery,
    kind: str,
    columns: list[Column],
    shown: Callable[[asyncpg.Record], BaseModel],
) -> StreamingResponse:
    """The records of a question as a file named after `kind`; `shown` is what the list shows of a row.

    Who took it, by which filters, and how many rows they got is logged. Raises Overloaded while two exports are being
    made already, TooManyRows for what no sheet holds.
    """
    with ExitStack() as held:
        # Before anything is awaited, or all who come at once would find a place.
        held.enter_context(_AT_ONCE.place())
        answer = await _made(reader, question, query, kind, columns, shown)
        answer.held = held.pop_all()
    return answer


class _Held(StreamingResponse):
    """An answer that holds a place until it is sent, given up, or stalled by who reads it."""

    held: ExitStack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        began, sent = monotonic(), 0

        async def timed_send(message: Message) -> None:
            nonlocal sent
            async with asyncio.timeout(_STALLED_SECONDS):
                await send(message)
            sent += len(message.get("body", b""))
            if sent < (monotonic() - began - _STALLED_SECONDS) * _LEAST_BYTES_A_SECOND:
                raise TimeoutError("who reads this takes next to nothing")

        with self.held:
            async with aclosing(self._content):
                await super().__call__(scope, receive, timed_send)

    def __init__(self, content: AsyncGenerator[bytes, None], name: str, media_type: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        super().__init__(content, media_type=media_type, headers=headers)
        self._content = content


async def _made(
    reader: Reader,
    question: Question,
    query: ExportQuery,
    kind: str,
    columns: list[Column],
    shown: Callable[[asyncpg.Record], BaseModel],
) -> _Held:
    if query.format == "xlsx" and await question.count(reader.database) > _SHEET_ROWS:
        raise TooManyRows(most=_SHEET_ROWS)
    unlogged = {"format", "sort", *query.free_words}
    filters = query.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=unlogged)
    logged = log.bind(kind=kind, format=query.format, by=reader.caller.subject, filters=filters)
    pages = question.pages(reader.database, query.sort, _ROWS)
    # What fails at once is still answered as a problem.
    first = [shown(row) for row in await anext(pages, [])]

    async def records() -> AsyncIterator[list[BaseModel]]:
        rows, whole = 0, False
        try:
            page = first
            while page:
                rows += len(page)
                yield page
                page = [shown(row) for row in await anext(pages, [])]
            whole = True
        finally:
            logged.info("exported", rows=rows, whole=whole)

    if query.format == "xlsx":
        # Written whole before the answer begins, since a workbook's directory stands at its end.
        content = _chunks(await _workbook(records(), kind, columns))
    elif query.format == "csv":
        content = _csv(records(), columns)
    else:
        content = _ndjson(records())
    return _Held(content, f"{kind}-{today().isoformat()}.{query.format}", MEDIA_TYPES[query.format])


async def _ndjson(pages: AsyncIterator[list[BaseModel]]) -> AsyncGenerator[bytes, None]:
    async for page in pages:
        yield "".join(f"{record.model_dump_json()}\n" for record in page).encode()


async def _csv(pages: AsyncIterator[list[BaseModel]], columns: list[Column]) -> AsyncGenerator[bytes, None]:
    # With a byte order mark Excel reads the file as UTF-8.
    yield b"\xef\xbb\xbf" + _lines([[column.title for column in columns]])
    async for page in pages:
        yield _lines([harmless(cell(column.value(record))) for column in columns] for record in page)


def _lines(rows: Iterable[list[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _workbook(pages: AsyncIterator[list[BaseModel]], kind: str, columns: list[Column]) -> IO[bytes]:
    """The workbook in a file without a name, which goes when it is closed. Rows go to the disk as they are written."""
    # Loaded where a workbook is written: it takes as much memory as FastAPI.
    import xlsxwriter

    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller streams and closes it)
        book = xlsxwriter.Workbook(
            file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        )  # fmt: skip
        sheet, bold = book.add_worksheet(kind), book.add_format({"bold": True})
        formats = {
            datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
            date: book.add_format({"num_format": "dd/mm/yyyy"}),
        }
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns) - 1, 18)
        for number, column in enumerate(columns):
            sheet.write_string(0, number, column.title, bold)
        line = 0

        def write(page: list[BaseModel]) -> None:
            nonlocal line
            for record in page:
                line += 1
                for number, column in enumerate(columns):
                    _write(sheet, line, number, column.value(record), formats)

        async for page in pages:
            await asyncio.to_thread(write, page)
        await asyncio.to_thread(book.close)
    except OSError as error:
        raise StoreUnavailable() from error
    file.seek(0)
    return file


def _write(sheet: Any, row: int, column: int, value: Any, formats: dict[type[date], Any]) -> None:
    """Write a cell as what it is: a text never becomes a formula, a link or a number."""
    if isinstance(value, datetime):
        sheet.write_datetime(row, column, value.astimezone(VIETNAM).replace(tzinfo=None), formats[datetime])
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, formats[date])
    elif isinstance(value, int) and not isinstance(value, bool):
        sheet.write_number(row, column, value)
    elif (text := str(cell(value))) != "":
        sheet.write_string(row, column, _NOT_XML.sub("\ufffd", text))


async def _chunks(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    with file:
        while chunk := await asyncio.to_thread(file.read, 65_536):
            yield chunk
