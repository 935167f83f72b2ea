"""An XLSX file that is open: its visible sheets row by row, as a person sees them.

A merged cell holds for each of the cells that it covers; rows that a filter hides spoil the file, for nobody sees
whether they are meant.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from shared.importing.columns import Cell
from shared.importing.rejections import ImportRefused, NotXlsx
from shared.importing.xlsx.cells import SHEET_BYTES, WIDEST, Rows, Texts, row_and_column
from shared.importing.xlsx.parts import (
    MOST_SHEETS,
    PART_BYTES,
    XlsxRefused,
    related_to,
    require_only_values,
    require_small_directory,
    scan,
)

_MOST_STYLES, _MOST_MERGED = 70_000, 100_000


class RowsHidden(ImportRefused):
    name = "rows-hidden"
    vi, en = (
        "Trang tính có dòng đang bị ẩn (bộ lọc hoặc ẩn dòng): hãy bỏ lọc, cho hiện hoặc xóa các dòng đó rồi gửi lại.",
        "A sheet has rows that are hidden (by a filter or one by one): show or delete them and send the file again.",
    )


class Sheet(NamedTuple):
    """A sheet of a workbook: its name, whether a person sees it, and where it lies in the file."""

    name: str
    visible: bool
    part: str


class Workbook:
    """An XLSX file that is open: its sheets in their order, and the rows of each."""

    def __init__(self, archive: zipfile.ZipFile, longest_row: int) -> None:
        self._archive, self._longest = archive, longest_row
        require_only_values(archive)
        main = related_to(archive, "").one("/officeDocument")
        self._epoch = WINDOWS_EPOCH
        found = list[tuple[str, bool, str]]()

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "sheet":
                id = next((value for name, value in attributes.items() if name.rpartition(" ")[2] == "id"), "")
                found.append((attributes["name"], attributes.get("state", "visible") == "visible", id))
                if len(found) > MOST_SHEETS:
                    raise XlsxRefused(part="sheets")
            elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._epoch = MAC_EPOCH

        scan(archive, main, PART_BYTES, start)
        related = related_to(archive, main)
        targets = {id: target for id, kind, target in related.parts if kind.endswith("/worksheet")}
        self.sheets = [Sheet(name, visible, targets[id]) for name, visible, id in found if id in targets]
        self._texts = Texts()
        if texts := related.find("/sharedStrings"):
            self._texts.read(archive, texts, longest_row)
        styles = related.find("/styles")
        self._date_styles = _date_styles(archive, styles) if styles else set[int]()

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, list[Cell]]]:
        """The rows of a sheet that are there, each with its number. Raises RowsHidden before the first one."""
        merged = _looked_through(self._archive, sheet)
        rows = Rows(self._texts, self._date_styles, self._epoch, self._longest).read(self._archive, sheet.part)
        return _filled(rows, merged) if merged else rows


@contextmanager
def opened(file: BinaryIO, longest_row: int) -> Iterator[Workbook]:
    """The workbook. What is wrong with it is NotXlsx or XlsxRefused as soon as that is known, while rows are read too."""
    try:
        require_small_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield Workbook(archive, longest_row)
    except (zipfile.BadZipFile, zlib.error, EOFError, expat.ExpatError, NotImplementedError, RuntimeError) as error:
        raise NotXlsx() from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        # zipfile and the formats of numbers meet broken parts with any of these.
        raise NotXlsx() from error


def _date_styles(archive: zipfile.ZipFile, part: str) -> set[int]:
    """The numbers of the styles that show a number as a day or a time."""
    formats = {number: is_date_format(code) for number, code in BUILTIN_FORMATS.items()}
    found, path, count = set[int](), list[str](), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        path.append(tag)
        if tag == "numFmt" and len(formats) < _MOST_STYLES:
            formats[int(attributes["numFmtId"])] = is_date_format(attributes["formatCode"][:1_000])
        elif tag == "xf" and path[-2:-1] == ["cellXfs"]:
            if formats.get(int(attributes.get("numFmtId", 0))):
                found.add(count)
            count += 1
            if count > _MOST_STYLES:
                raise XlsxRefused(part=part[:200])

    def end(tag: str) -> None:
        path.pop()

    scan(archive, part, PART_BYTES, start, end)
    return found


class _Merged(NamedTuple):
    """Cells that are one: its first and last row and column."""

    first: int
    last: int
    left: int
    right: int


def _looked_through(archive: zipfile.ZipFile, sheet: Sheet) -> list[_Merged]:
    """The merged cells of a sheet, which follow its rows in the file, by their first row. Raises RowsHidden."""
    merged, hidden, number = list[_Merged](), False, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal hidden, number
        if tag == "row":
            number = int(attributes.get("r", number + 1))
            hidden = attributes.get("hidden") in ("1", "true")
        elif hidden and tag in ("v", "t", "f"):
            raise RowsHidden(sheet=sheet.name[:31], row=number)
        elif tag == "mergeCell":
            first, _, last = attributes["ref"].partition(":")
            (top, left), (bottom, right) = row_and_column(first), row_and_column(last or first)
            if left <= WIDEST and (top, left) != (bottom, right):
                merged.append(_Merged(top, bottom, left, min(right, WIDEST)))
            if len(merged) > _MOST_MERGED:
                raise XlsxRefused(part=sheet.part[:200])

    scan(archive, sheet.part, SHEET_BYTES, start)
    return sorted(merged)


def _filled(rows: Iterator[tuple[int, list[Cell]]], merged: list[_Merged]) -> Iterator[tuple[int, list[Cell]]]:
    """The rows, each merged cell's value in all the cells that it covers; a row that has none of its own stays empty."""
    held: dict[_Merged, Cell] = {}
    begun = 0
    for number, cells in rows:
        # The ranges that begin in this row, or began in one that is not there and hold nothing.
        while begun < len(merged) and merged[begun].first <= number:
            one = merged[begun]
            is_here = one.first == number and one.left <= len(cells)
            held[one] = cells[one.left - 1] if is_here else None
            begun += 1
        held = {one: value for one, value in held.items() if one.last >= number}
        if sum(one.right - one.left + 1 for one in held) > WIDEST:
            # Cells that are one do not overlap, so that no row holds more of them than columns.
            raise XlsxRefused(row=number)
        if any(cell not in (None, "") for cell in cells):
            cells = list(cells)
            for one, value in held.items():
                if one.first <= number <= one.last and value is not None:
                    cells += [None] * (one.right - len(cells))
                    for column in range(one.left, one.right + 1):
                        cells[column - 1] = value
        yield number, cells
