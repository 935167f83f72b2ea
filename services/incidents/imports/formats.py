"""Reads a file row by row, whatever its format: each row with its line, as the input of a command or as what is wrong."""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from services.incidents.imports.rows import Errors, Kind, errors_of_input, row_error

# A row may be as large as a single request.
LONGEST_ROW = 65_536


class Entry(NamedTuple):
    """A row of a file: its line, what it says or what is wrong with it, and its size in bytes."""

    line: int
    value: Any
    errors: Errors
    size: int


def read_ndjson(file: BinaryIO, kind: Kind) -> Iterator[Entry]:
    """A JSON object a line, as a single request would have it; empty lines are passed over."""
    validate, number = kind.input.validate_json, 0
    while line := file.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_ROW)
            wrong = row_error("", "line-too-long", f"a row has at most {LONGEST_ROW} bytes")
            yield Entry(number, None, [wrong], LONGEST_ROW)
            continue
        if not line.strip():
            continue
        try:
            yield Entry(number, validate(line), [], len(line))
        except ValidationError as error:
            yield Entry(number, None, errors_of_input(error), len(line))


READERS = {"ndjson": read_ndjson}
