"""CSV as spreadsheets and programs save it: one reader for whoever takes a table, at every door."""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

# Excel's word for what stands between cells, in a line of its own before the heading.
_SEPARATOR = re.compile(r'"?sep=([,;\t])"?[,;\t]*', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_EMPTY = ' ,;\t"\r\n'


class BrokenCsv(Exception):
    """A quote that does not end, or a line that is too long; `line`: where the row begins."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def rows_of(file: BinaryIO, longest: int = 65_536) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty and the line on which it begins, its heading first.

    UTF-8, with a mark at its beginning or without. Cells stand between commas, semicolons (Excel with Vietnamese
    settings) or tabs, whichever the heading has most of, or a line `sep=;` before it names. Raises BrokenCsv, and
    UnicodeDecodeError for another encoding.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    heading, before, delimiter = text.readline(longest), 0, ""
    while heading:
        if named := _SEPARATOR.fullmatch(heading.rstrip("\r\n")):
            delimiter = named[1]
        elif heading.strip(_EMPTY):
            break
        heading, before = text.readline(longest), before + 1
    delimiter = delimiter or max(",;\t", key=_QUOTED.sub("", heading).count)
    begins = 1

    def lines() -> Iterator[str]:
        for _ in range(before):
            yield "\n"
        yield heading
        while line := text.readline(longest + 1):
            if len(line) > longest:
                raise BrokenCsv(begins)
            yield line

    rows = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        for cells in rows:
            if any(cells):
                yield begins, cells
            begins = rows.line_num + 1
    except csv.Error:
        raise BrokenCsv(begins) from None
