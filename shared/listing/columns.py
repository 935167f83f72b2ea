"""What a file for people shows of a record, column by column, and how a value is written there."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from shared import units
from shared.days import VIETNAM

# What a spreadsheet would take for the beginning of a formula, also behind spaces and in full width.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")
# Where lists are separated by `;` or a tab, as Vietnamese settings of Excel have it, a cell begins within a text too: behind
# separators and ends of lines, which no quotes protect there. A run of them is taken at once: looking is linear.
_FORMULA_WITHIN = re.compile(r'([\t\r\n;][\s";]*+)([=+\-@＝＋－＠]?)')


class Column(NamedTuple):
    """One column for people: its title, and the value that a record has there."""

    title: str
    value: Callable[[Any], Any]


def word_of(field: str, labels: Mapping[str, str]) -> Callable[[Any], Any]:
    """The value of a field in the words that people write."""
    return lambda record: labels.get(getattr(record, field), getattr(record, field))


def name_of(field: str) -> Callable[[Any], str]:
    """The name of the unit that a field names; nothing for what is no unit."""

    def name(record: Any) -> str:
        unit = units.get(getattr(record, field) or "")
        return unit.name if unit is not None else ""

    return name


def value_of(field: str) -> Callable[[Any], Any]:
    """The value of a field as it is."""
    return lambda record: getattr(record, field)


def cell(value: Any) -> str | int | float:
    """A value as a person reads it in a text file: days as 2026-11-30, instants by the clock of Viet Nam."""
    match value:
        case None:
            return ""
        case bool():
            return "có" if value else "không"
        case int() | float():
            return value
        case datetime():
            return value.astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S")
        case list():
            return "; ".join(str(cell(item)) for item in value)
        case BaseModel():
            return value.model_dump_json(exclude_none=True)
        case _:
            return str(value)


def harmless(value: str | int | float) -> str | int | float:
    """The value with a `'` before whatever of a text a spreadsheet would take for a formula, also where it parts cells at
    semicolons or tabs."""
    if not isinstance(value, str):
        return value
    within = _FORMULA_WITHIN.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[1], value)
    return f"'{within}" if _FORMULA.match(value) else within
