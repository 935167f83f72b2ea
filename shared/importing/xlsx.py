"""Reads the visible sheets of an XLSX file row by row, as a person sees them, in little memory whatever the file claims to be.

All parts are parsed as a stream by expat, with limits on each; a document type is refused, so that no entity is ever
expanded. Links to other files, macros and embedded objects spoil the file, a formula its row. A merged cell holds for
each of the cells that it covers; rows that a filter hides spoil the file, for nobody sees whether they are meant.
"""

import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from posixpath import join, normpath
from typing import Any, BinaryIO, NamedTuple
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from shared.importing.columns import FORMULA, WRONG, Cell
from shared.importing.rejections import FileRefused, NotXlsx

# The largest sheet, the largest table of texts, and any other part, unpacked. Styles that were copied for years are megabytes.
_SHEET_BYTES = 2 << 30
_TEXTS_BYTES = 160 << 20
_PART_BYTES = 32 << 20
_DIRECTORY_BYTES = 1 << 20
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
_MOST_SHEETS, _MOST_STYLES, _MOST_MERGED = 500, 70_000, 100_000
# No heading has so many; a cell beyond them would fill the memory with the empty ones before it, row by row.
_WIDEST = 1_024
# Rows of which more stand in one piece of a file than this are given before the next cell is read.
_READ = 64 << 10
# Parts that fetch, run or carry something else than values.
_REFUSED = re.compile(
    r"vbaproject|macrosheets/|dialogsheets/|externallinks/|embeddings/|activex/|xl/connections|querytables/|customui/",
    re.IGNORECASE,
)
_ASIDE = re.compile(rb"<[!?]")
_LONGEST_TOKEN = 512 << 10
# A cell lies in a row in the data of the sheet, its text at most three deeper.
_DEEPEST = 16
_CELL = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})", re.ASCII)
# How the format writes a character that XML has no place for, `_x000D_`; `_x005F_` is the underscore before one that is none.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_", re.ASCII)


class XlsxRefused(FileRefused):
    name = "xlsx-refused"
    vi, en = (
        "Tệp XLSX chứa thành phần không được nhận (macro, liên kết ngoài, đối tượng nhúng) hoặc lớn bất thường.",
        "The XLSX holds what is not accepted (macros, links to other files, embedded objects) or is abnormally large.",
    )


class RowsHidden(FileRefused):
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
        for part in archive.namelist():
            if _REFUSED.search(part):
                raise XlsxRefused(part=part[:200])
        main = _related(archive, "").one("/officeDocument")
        self._epoch = WINDOWS_EPOCH
        found = list[tuple[str, bool, str]]()

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "sheet":
                id = next((value for name, value in attributes.items() if name.rpartition(" ")[2] == "id"), "")
                found.append((attributes["name"], attributes.get("state", "visible") == "visible", id))
                if len(found) > _MOST_SHEETS:
                    raise XlsxRefused(part="sheets")
            elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._epoch = MAC_EPOCH

        _scan(archive, main, _PART_BYTES, start)
        related = _related(archive, main)
        targets = {id: target for id, kind, target in related.parts if kind.endswith("/worksheet")}
        self.sheets = [Sheet(name, visible, targets[id]) for name, visible, id in found if id in targets]
        self._texts = _Texts()
        if texts := related.find("/sharedStrings"):
            self._texts.read(archive, texts, longest_row)
        styles = related.find("/styles")
        self._date_styles = _date_styles(archive, styles) if styles else set[int]()

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, list[Cell]]]:
        """The rows of a sheet that are there, each with its number. Raises RowsHidden before the first one."""
        merged = _looked_through(self._archive, sheet)
        rows = _Rows(self._texts, self._date_styles, self._epoch, self._longest).read(self._archive, sheet.part)
        return _filled(rows, merged) if merged else rows


@contextmanager
def opened(file: BinaryIO, longest_row: int) -> Iterator[Workbook]:
    """The workbook. What is wrong with it is NotXlsx or XlsxRefused as soon as that is known, while rows are read too."""
    try:
        _require_small_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield Workbook(archive, longest_row)
    except (zipfile.BadZipFile, zlib.error, EOFError, expat.ExpatError, NotImplementedError, RuntimeError) as error:
        raise NotXlsx() from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        # zipfile and the formats of numbers meet broken parts with any of these.
        raise NotXlsx() from error


def _require_small_directory(file: BinaryIO) -> None:
    """Raise for a directory of more entries than a workbook has, before all of them are in memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise NotXlsx()
    if b"PK\x06\x07" in tail or struct.unpack_from("<I", tail, end + 12)[0] > _DIRECTORY_BYTES:
        raise XlsxRefused(part="directory")


class _Related(NamedTuple):
    """What a part of the package leads to: for each its id, its type and the part."""

    parts: list[tuple[str, str, str]]

    def find(self, kind: str) -> str | None:
        """The part of a type, None without one."""
        return next((target for _, known, target in self.parts if known.endswith(kind)), None)

    def one(self, kind: str) -> str:
        """The part of a type, which must be there."""
        found = self.find(kind)
        if found is None:
            raise NotXlsx()
        return found


def _related(archive: zipfile.ZipFile, part: str) -> _Related:
    folder, _, name = part.rpartition("/")
    found = list[tuple[str, str, str]]()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes["Target"]
            target = target[1:] if target.startswith("/") else normpath(join(folder, target))
            found.append((attributes["Id"], attributes["Type"], target))
            if len(found) > 2 * _MOST_SHEETS:
                raise XlsxRefused(part="relationships")

    _scan(archive, f"{folder}/_rels/{name}.rels".removeprefix("/"), _PART_BYTES, start)
    return _Related(found)


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

    _scan(archive, part, _PART_BYTES, start, end)
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
            (top, left), (bottom, right) = _place_of(first), _place_of(last or first)
            if left <= _WIDEST and (top, left) != (bottom, right):
                merged.append(_Merged(top, bottom, left, min(right, _WIDEST)))
            if len(merged) > _MOST_MERGED:
                raise XlsxRefused(part=sheet.part[:200])

    _scan(archive, sheet.part, _SHEET_BYTES, start)
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
        if sum(one.right - one.left + 1 for one in held) > _WIDEST:
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


def _scan(
    archive: zipfile.ZipFile,
    name: str,
    most: int,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
) -> None:
    """Go through the elements of a part by their local names."""
    parser, depth = expat.ParserCreate(namespace_separator=" "), 0

    def started(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise XlsxRefused(part=name[:200])
        start(tag.rpartition(" ")[2], attributes)

    def ended(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(tag)

    parser.StartElementHandler, parser.EndElementHandler = started, ended
    for _ in _parsed(archive, name, most, parser):
        pass


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if "\ud800" <= character <= "\udfff" else character


def _unescaped(text: str) -> str:
    """A text as it was typed: Windows' line ends are line ends, what was escaped is what it was."""
    if "_x" in text:
        text = _ESCAPED.sub(_character, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parsed(archive: zipfile.ZipFile, name: str, most: int, parser: Any) -> Iterator[None]:
    """Feed a part to its parser, a piece at a time."""
    if archive.getinfo(name).file_size > most:
        raise XlsxRefused(part=name[:200])
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    before, without_tag = b"", 0
    with archive.open(name) as source:
        while piece := source.read(_READ):
            # Neither comments nor instructions belong there. expat reads a token that has not ended again with each
            # piece, so one without end would take hours; a tag, or a text between two, is never so long.
            if _ASIDE.search(before[-1:] + piece, 0 if before else 2):
                raise XlsxRefused(part=name[:200])
            without_tag = 0 if b"<" in piece else without_tag + len(piece)
            if without_tag > _LONGEST_TOKEN:
                raise XlsxRefused(part=name[:200])
            parser.Parse(piece, False)
            before = piece
            yield
        parser.Parse(b"", True)
        yield


def _refuse_document_type(*_: Any) -> None:
    raise XlsxRefused(part="document type")


class _Texts:
    """The shared texts of a workbook, side by side in one piece of memory."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("I", [0])

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError
        return _unescaped(self._bytes[self._ends[number] : self._ends[number + 1]].decode())

    def read(self, archive: zipfile.ZipFile, name: str, longest: int) -> None:
        """Take in the table of texts."""
        parser = expat.ParserCreate(namespace_separator=" ")
        inside, aside, length, depth = False, 0, 0, 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal inside, aside, depth
            local = tag.rpartition(" ")[2]
            depth += 1
            if depth > _DEEPEST:
                raise XlsxRefused(part=name[:200])
            inside = local == "t" and not aside
            # How a text is read aloud (furigana) is no part of it.
            aside += local == "rPh"

        def end(tag: str) -> None:
            nonlocal inside, aside, length, depth
            local = tag.rpartition(" ")[2]
            inside, depth = False, depth - 1
            aside -= local == "rPh"
            if local == "si":
                self._ends.append(len(self._bytes))
                length = 0

        def text(data: str) -> None:
            nonlocal length
            if inside:
                length += len(data)
                if length > longest:
                    raise XlsxRefused(part="text")
                self._bytes.extend(data.encode())

        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
        for _ in _parsed(archive, name, _TEXTS_BYTES, parser):
            pass


class _Rows:
    """What is known of a sheet while it is parsed."""

    def __init__(self, texts: _Texts, date_styles: set[int], epoch: datetime, longest: int) -> None:
        self._texts, self._date_styles, self._epoch, self._longest = texts, date_styles, epoch, longest
        self._rows: list[tuple[int, list[Cell]]] = []
        self._number, self._length, self._depth = 0, 0, 0
        self._cells: list[Cell] = []
        self._column = 0
        self._type, self._style = "n", 0
        self._parts: list[str] | None = None
        self._value: str | None = None
        self._formula = False

    def read(self, archive: zipfile.ZipFile, name: str) -> Iterator[tuple[int, list[Cell]]]:
        """The rows, as they come."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        for _ in _parsed(archive, name, _SHEET_BYTES, parser):
            yield from self._rows
            self._rows.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition(" ")[2]
        self._depth += 1
        if self._depth > _DEEPEST:
            raise XlsxRefused(row=self._number)
        if local == "c":
            at, before = attributes.get("r"), self._column
            self._column = _column_of(at) if at else before + 1
            if not before < self._column <= _MOST_COLUMNS:
                raise NotXlsx()
            self._type, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
            self._value, self._formula = None, False
        elif local in ("v", "t"):
            self._parts = []
        elif local == "f":
            self._formula = True
        elif local == "row":
            number = int(attributes.get("r", self._number + 1))
            if not self._number < number <= _MOST_ROWS:
                raise NotXlsx()
            self._number, self._length, self._column, self._cells = number, 0, 0, []

    def _end(self, tag: str) -> None:
        local = tag.rpartition(" ")[2]
        self._depth -= 1
        if local in ("v", "t") and self._parts is not None:
            self._value, self._parts = (self._value or "") + "".join(self._parts), None
        elif local == "c":
            cell = self._cell()
            if cell is not None:
                if len(self._cells) >= self._column:
                    raise NotXlsx()
                if self._column > _WIDEST:
                    raise XlsxRefused(row=self._number)
                self._cells += [None] * (self._column - 1 - len(self._cells))
                self._cells.append(cell)
        elif local == "row":
            self._rows.append((self._number, self._cells))

    def _text(self, data: str) -> None:
        if self._parts is not None:
            self._length += len(data)
            if self._length > self._longest:
                raise XlsxRefused(row=self._number)
            self._parts.append(data)

    def _cell(self) -> Cell:
        if self._formula:
            return FORMULA  # type: ignore[no-any-return]
        if self._value is None:
            return None
        if self._type == "s":
            return self._texts[int(self._value)]
        if self._type == "b":
            return self._value == "1"
        if self._type == "e":
            return WRONG  # type: ignore[no-any-return]
        if self._type != "n":
            return _unescaped(self._value)
        if len(self._value) > 40:
            return self._value
        number = float(self._value) if "." in self._value or "E" in self._value else int(self._value)
        if self._style not in self._date_styles:
            return number
        try:
            found = from_excel(number, self._epoch)
        except (OverflowError, ValueError):
            return WRONG  # type: ignore[no-any-return]
        return found if isinstance(found, datetime) else WRONG


@lru_cache(maxsize=32_768)
def _letters(column: str) -> int:
    number = 0
    for letter in column:
        number = number * 26 + ord(letter) - 64
    return number


def _column_of(cell: str) -> int:
    return _place_of(cell)[1]


def _place_of(cell: str) -> tuple[int, int]:
    """The row and the column of a cell's name."""
    found = _CELL.fullmatch(cell)
    if found is None:
        raise NotXlsx()
    return int(found[2]), _letters(found[1])
