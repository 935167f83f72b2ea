"""Reads a file row by row, whatever its format: each row with its line, as the input of a command or as what is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from shared.importing.columns import FORMULA, WRONG, Cell, Columns, UnknownColumn, any_column
from shared.importing.kinds import AnyKind
from shared.importing.models import Format
from shared.importing.rejections import Errors, ImportRefused, errors_of_input, row_error
from shared.tables import BrokenCsv, rows_of

# A row may be as large as a single request.
LONGEST_ROW = 65_536


class Entry(NamedTuple):
    """A row of a file: its line, what it says or what is wrong with it, its size in bytes, and of XLSX its sheet.

    `order`: the number by which rows of a file are sorted; of a further sheet beyond every line of those before.
    `headings`: what the file calls a field that has another name there.
    """

    line: int
    value: Any
    errors: Errors
    size: int
    sheet: str | None = None
    order: int = 0
    headings: Mapping[str, str] = MappingProxyType({})

    def heading_of(self, column: str) -> str:
        """What the file calls a field."""
        return self.headings.get(column, column)


# More lines than a sheet, or a file, has.
_LINES_OF_A_SHEET = 4_000_000


class UnreadableCsv(ImportRefused):
    name = "unreadable-csv"
    vi, en = (
        "Tệp CSV sai cấu trúc từ dòng này (dấu ngoặc kép chưa đóng, dòng quá dài).",
        "The CSV is broken from this line on (a quote that does not end, a line that is too long).",
    )


class NoSheet(ImportRefused):
    name = "no-visible-sheet"
    vi, en = "Tệp không có trang tính nào đang hiển thị.", "The file has no sheet that is visible."


def read_ndjson(file: BinaryIO, kind: AnyKind, sheets: list[dict[str, str]]) -> Iterator[Entry]:
    """A JSON object a line, as a single request would have it; empty lines are passed over."""
    number = 0
    while line := file.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_ROW)
            yield _wrong(number, "line-too-long", f"a row has at most {LONGEST_ROW} bytes")
        elif line.strip():
            # A mark of the byte order is no part of JSON, and some editors write one.
            yield _entry(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, kind)


def read_csv(file: BinaryIO, kind: AnyKind, sheets: list[dict[str, str]]) -> Iterator[Entry]:
    """Rows under a heading of columns (columns.py), as spreadsheets save them (shared/tables.py)."""
    rows = rows_of(file, LONGEST_ROW)
    try:
        columns = Columns(next(rows, (1, []))[1], kind.fields, kind.flat)
        for line, cells in rows:
            yield _row(line, cells, columns, kind)
    except BrokenCsv as broken:
        raise UnreadableCsv(line=broken.line) from None


def read_xlsx(file: BinaryIO, kind: AnyKind, sheets: list[dict[str, str]]) -> Iterator[Entry]:
    """Rows of each visible sheet under a heading of columns (columns.py); what became of each sheet is added to `sheets`.

    A hidden sheet is left out, and so is a visible one of which no column is a field: a cover, a list of codes. One that
    has some and others spoils the file, and so does a file of which no sheet fits.
    """
    # Loaded where a workbook is read, with openpyxl.
    from shared.importing.xlsx import opened

    with opened(file, longest_row=LONGEST_ROW) as workbook:
        seen, first_refusal, begins = 0, None, 0
        for sheet in workbook.sheets:
            named = {"name": sheet.name[:31], "state": "hidden"}
            sheets.append(named)
            if not sheet.visible:
                continue
            rows = workbook.rows(sheet)
            heading = next((cells for _, cells in rows if any(cell not in (None, "") for cell in cells)), [])
            try:
                columns = Columns(heading, kind.fields, kind.flat)
            except UnknownColumn as refusal:
                if any_column(heading, {**kind.fields, **kind.flat}):
                    raise UnknownColumn(**refusal.members, sheet=sheet.name[:31]) from None
                named["state"] = "no-columns" if heading else "empty"
                first_refusal = first_refusal or refusal
                continue
            named["state"], seen = "taken", seen + 1
            for number, cells in rows:
                if any(cell not in (None, "") for cell in cells):
                    entry = _row(number, cells, columns, kind)
                    yield entry._replace(sheet=named["name"], order=begins + number)
            begins += _LINES_OF_A_SHEET
        if not seen:
            raise first_refusal or NoSheet()


READERS: dict[Format, Callable[[BinaryIO, AnyKind, list[dict[str, str]]], Iterator[Entry]]] = {
    "ndjson": read_ndjson,
    "csv": read_csv,
    "xlsx": read_xlsx,
}


def _row(line: int, cells: Sequence[Cell], columns: Columns, kind: AnyKind) -> Entry:
    wrong = columns.too_many(cells)
    for name, cell in zip(columns.names, cells, strict=False):
        if cell is FORMULA:
            wrong.append(row_error(name, "formula", "formulas are not calculated: send the values"))
        elif cell is WRONG:
            wrong.append(row_error(name, "error-value", "the cell holds an error or no day that there is"))
    if wrong:
        return Entry(line, None, wrong[:20], 0)
    row = columns.json_of(cells)
    if len(row) > LONGEST_ROW:
        return _wrong(line, "line-too-long", f"a row has at most {LONGEST_ROW} bytes")
    return _entry(line, row, kind)._replace(headings=columns.headings)


def _entry(line: int, row: bytes, kind: AnyKind) -> Entry:
    try:
        return Entry(line, kind.input.validate_json(row), [], len(row))
    except ValidationError as error:
        return Entry(line, None, errors_of_input(error, kind.fields, kind.tags), len(row))


def _wrong(line: int, code: str, message: str) -> Entry:
    return Entry(line, None, [row_error("", code, message)], 0)
