"""The cells of a sheet, row by row as they come, and the texts that they share."""

import re
import zipfile
from array import array
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from xml.parsers import expat

from openpyxl.utils.datetime import from_excel

from shared.importing.columns import FORMULA, WRONG, Cell
from shared.importing.rejections import NotXlsx
from shared.importing.xlsx.parts import DEEPEST, XlsxRefused, parsed

# The largest sheet and the largest table of texts, unpacked.
SHEET_BYTES = 2 << 30
_TEXTS_BYTES = 160 << 20
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
# No heading has so many; a cell beyond them would fill the memory with the empty ones before it, row by row.
WIDEST = 1_024
_CELL = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})", re.ASCII)
# How the format writes a character that XML cannot hold, `_x000D_`; `_x005F_` is the underscore before one that is none.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_", re.ASCII)


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if "\ud800" <= character <= "\udfff" else character


def _unescaped(text: str) -> str:
    """A text as it was typed: Windows' line ends are line ends, what was escaped is what it was."""
    if "_x" in text:
        text = _ESCAPED.sub(_character, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Texts:
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
            if depth > DEEPEST:
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
        for _ in parsed(archive, name, _TEXTS_BYTES, parser):
            pass


class Rows:
    """What is known of a sheet while it is parsed."""

    def __init__(self, texts: Texts, date_styles: set[int], epoch: datetime, longest: int) -> None:
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
        for _ in parsed(archive, name, SHEET_BYTES, parser):
            yield from self._rows
            self._rows.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition(" ")[2]
        self._depth += 1
        if self._depth > DEEPEST:
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
                if self._column > WIDEST:
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
    return row_and_column(cell)[1]


def row_and_column(cell: str) -> tuple[int, int]:
    """The row and the column of a cell's name."""
    found = _CELL.fullmatch(cell)
    if found is None:
        raise NotXlsx()
    return int(found[2]), _letters(found[1])
