"""Reads the first sheet of an XLSX file row by row, in little memory whatever the file claims to be.

openpyxl reads the small parts: which sheet is the first, which styles show days. The two parts that may be large, the
sheet and its shared texts, are parsed as a stream by expat, with limits on each; a document type is refused, so that no
entity is ever expanded. Links to other files, macros and embedded objects spoil the file, a formula its row.
"""

import re
import struct
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO
from xml.parsers import expat

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import from_excel

from services.incidents.imports.columns import FORMULA, WRONG, Cell
from services.incidents.imports.rejections import FileRefused, NotXlsx

# A part that is read whole; the largest sheet and the largest table of texts, unpacked.
_PART_BYTES = 8 << 20
_SHEET_BYTES = 2 << 30
_TEXTS_BYTES = 160 << 20
_DIRECTORY_BYTES = 1 << 20
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
# No heading has so many; a cell beyond them would fill the memory with the empty ones before it, row by row.
_WIDEST = 1_024
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
_CELL = re.compile(r"([A-Z]{1,3})\d{1,7}", re.ASCII)


class XlsxRefused(FileRefused):
    name = "xlsx-refused"
    vi, en = (
        "Tệp XLSX chứa thành phần không được nhận (macro, liên kết ngoài, đối tượng nhúng) hoặc lớn bất thường.",
        "The XLSX holds what is not accepted (macros, links to other files, embedded objects) or is abnormally large.",
    )


def read_sheet(file: BinaryIO, longest_row: int) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of the first sheet that are there, each with its number.

    Raises NotXlsx or XlsxRefused, as soon as that is known: rows before it have been given then.
    """
    try:
        _require_small_directory(file)
        with zipfile.ZipFile(file) as archive:
            for part in archive.namelist():
                if _REFUSED.search(part):
                    raise XlsxRefused(part=part[:200])
            yield from _rows(archive, longest_row)
    except (zipfile.BadZipFile, zlib.error, EOFError, expat.ExpatError, NotImplementedError, RuntimeError) as error:
        raise NotXlsx() from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        # openpyxl and zipfile meet broken parts with any of these.
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


class _SmallParts(ExcelReader):
    """openpyxl's reader of a workbook, of its small parts alone."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive: Any = _Limited(archive)
        self.valid_files = archive.namelist()
        self.read_only, self.keep_vba, self.keep_links = True, False, False
        self.data_only, self.rich_text, self.shared_strings = False, False, []


class _Limited:
    """An archive whose parts are read whole only when they are small."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.filename = "the file"

    def read(self, name: str) -> bytes:
        """A part."""
        if self._archive.getinfo(name).file_size > _PART_BYTES:
            raise XlsxRefused(part=name[:200])
        return self._archive.read(name)

    def namelist(self) -> list[str]:
        """The names of all parts."""
        return self._archive.namelist()


def _rows(archive: zipfile.ZipFile, longest_row: int) -> Iterator[tuple[int, list[Cell]]]:
    small = _SmallParts(archive)
    with warnings.catch_warnings():
        # It warns of what it leaves out: extensions, validation of data, headers without text.
        warnings.simplefilter("ignore")
        small.read_manifest()
        small.read_workbook()
        apply_stylesheet(small.archive, small.wb)
        sheets = [rel.target for sheet, rel in small.parser.find_sheets() if "worksheet" in rel.Type]
    if not sheets:
        raise NotXlsx()
    texts = _Texts()
    for part in small.package.Override:
        if part.ContentType.endswith("sharedStrings+xml"):
            texts.read(archive, part.PartName.lstrip("/"), longest_row)
    sheet = _Sheet(texts, getattr(small.wb, "_date_formats", set()), small.wb.epoch, longest_row)
    yield from sheet.read(archive, sheets[0])


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
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode()

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


class _Sheet:
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
            return self._value
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
    found = _CELL.fullmatch(cell)
    if found is None:
        raise NotXlsx()
    return _letters(found[1])
