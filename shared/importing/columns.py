"""What the columns of a table mean: a row of CSV or XLSX becomes the JSON that a single request would have.

A column is named as the field, with dots for what is inside another: `decision.number`, `items.0.quantity`; a kind of row
may have a flat name for it besides. Numbers and days may be written as people here write them: 2501 or 2.501; 30/11/2026
or 2026-11-30. A time without an offset is one of Viet Nam.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import AwareDatetime, BaseModel

from shared.days import VIETNAM
from shared.importing.rejections import Errors, ImportRefused, nearest, row_error
from shared.text import clean

Cell = str | int | float | bool | datetime | None


class _Mark:
    """A cell that has no value of its own."""


# A cell that holds a formula, and one that holds an error.
FORMULA: Any = _Mark()
WRONG: Any = _Mark()
Convert = Callable[[Any], Any]

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+", re.ASCII)
# So many digits no field has; converting a million of them would take minutes.
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,18}|\d{1,3}(\.\d{3})+),\d{1,18}", re.ASCII)
_PLAIN_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}):(\d{2})(:\d{2}(\.\d+)?)?", re.ASCII)
_YES_OR_NO = {
    **dict.fromkeys(("true", "1", "yes", "có", "x"), True),
    **dict.fromkeys(("false", "0", "no", "không"), False),
}
_NUMBERED = re.compile(r"(?<=\.)\d{1,2}(?=\.|$)", re.ASCII)


class UnknownColumn(ImportRefused):
    """`number`: which column. Never its heading, which in a file without one is a person's row; `near`: the field it means."""

    name = "unknown-column"
    vi, en = "Tệp có một cột không phải là trường dữ liệu nào.", "The file has a column that is no field."


class DuplicateColumn(ImportRefused):
    name = "duplicate-column"
    vi, en = "Tệp có hai cột cùng tên.", "Two columns of the file have the same name."


def _integer(cell: Cell) -> Cell:
    if isinstance(cell, str):
        plain = cell.replace(".", "") if _THOUSANDS.fullmatch(cell) else cell
        return int(plain) if _INTEGER.fullmatch(plain) else cell
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e18 else cell


def _number(cell: Cell) -> Cell:
    if isinstance(cell, str):
        plain = cell.replace(".", "").replace(",", ".") if _DECIMAL.fullmatch(cell) else cell
        return float(plain) if _PLAIN_DECIMAL.fullmatch(plain) else cell
    return cell


def _yes_or_no(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return cell
    return _YES_OR_NO.get(str(cell).lower(), cell)


def _day(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        # A spreadsheet knows no days, only their midnights.
        return cell.date().isoformat() if cell.time() == datetime.min.time() else cell.isoformat()
    return _iso(cell) if isinstance(cell, str) else cell


def _instant(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=cell.tzinfo or VIETNAM).isoformat()
    if isinstance(cell, str):
        found = _TIME.fullmatch(_iso(cell))
        if found:
            day, hour, minute, seconds = found.group(1, 2, 3, 4)
            return f"{day}T{hour:0>2}:{minute}{seconds or ':00'}+07:00"
    return cell


def _iso(text: str) -> str:
    """A text with the day at its beginning as ISO 8601 has it."""
    return _DAY.sub(lambda found: f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}", text, count=1)


def _text(cell: Cell) -> Cell:
    """What a person sees in the cell: a number that a spreadsheet made of a code is that code again."""
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e18:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat()
    return cell if isinstance(cell, str) else str(cell)


_CONVERTERS: dict[type, Convert] = {
    bool: _yes_or_no,
    int: _integer,
    float: _number,
    AwareDatetime: _instant,
    date: _day,
}


def fields_of(annotation: Any, name: str = "") -> Iterator[tuple[str, Convert]]:
    """Each column that an input may have, `0` for the number in a list, and how its cells are read."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from fields_of(get_args(annotation)[0], name)
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            if one is not type(None):
                yield from fields_of(one, name)
    elif origin is list:
        one = get_args(annotation)[0]
        yield from fields_of(one, f"{name}.0")
        if not any(True for column, _ in fields_of(one, name) if column != name):
            yield name, lambda cell: [part.strip() for part in str(_text(cell)).split(";")]
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field, about in annotation.model_fields.items():
            yield from fields_of(about.annotation, f"{name}.{field}" if name else field)
    else:
        yield name, _CONVERTERS.get(annotation, _text)


def any_column(heading: Sequence[Cell], fields: Collection[str]) -> bool:
    """Whether any cell of a heading names a field."""
    return any(_NUMBERED.sub("0", _name(cell)) in fields for cell in heading if cell is not None)


class Columns:
    """The columns of one file, by its heading. Raises UnknownColumn or DuplicateColumn, for either spoils every row."""

    def __init__(
        self, heading: Sequence[Cell], fields: Mapping[str, Convert], flat: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.names = [_name(cell) for cell in heading]
        while self.names and not self.names[-1]:
            self.names.pop()
        self._paths: list[tuple[str, ...]] = []
        self._convert: list[Convert] = []
        # What the file calls a field that has another name.
        self.headings: dict[str, str] = {}
        columns = [flat.get(name, name) for name in self.names]
        for number, (name, field) in enumerate(zip(self.names, columns, strict=True)):
            convert = fields.get(_NUMBERED.sub("0", field))
            if convert is None:
                near = nearest(name, (*fields, *flat))
                raise UnknownColumn(number=number + 1, **({"near": near} if near else {}))
            if field in columns[:number]:
                raise DuplicateColumn(column=name)
            if field != name:
                self.headings[field] = name
            self._paths.append(tuple(field.split(".")))
            self._convert.append(convert)
        if not self.names:
            raise UnknownColumn(number=1)

    def json_of(self, cells: Sequence[Cell]) -> bytes:
        """The row as JSON; empty cells are fields that are left out."""
        found: dict[str, Any] = {}
        for path, convert, cell in zip(self._paths, self._convert, cells, strict=False):
            if cell is None or cell == "":
                continue
            inside = found
            for part in path[:-1]:
                inside = inside.setdefault(part, {})
            inside[path[-1]] = convert(cell.strip() if isinstance(cell, str) else cell)
        return msgspec.json.encode({name: _lists(value) for name, value in found.items()})

    def too_many(self, cells: Sequence[Cell]) -> Errors:
        """What is wrong with a row that has more cells than the heading."""
        if any(cell not in (None, "") for cell in cells[len(self.names) :]):
            return [row_error("", "too-many-columns", f"the heading names {len(self.names)} columns")]
        return []


def _name(cell: Cell) -> str:
    try:
        return clean(str(cell if cell is not None else "")).lower()
    except ValueError:
        return "?"


def _lists(value: Any) -> Any:
    """What was gathered under numbers as a list, in their order."""
    if not isinstance(value, dict):
        return value
    inside = {name: _lists(each) for name, each in value.items()}
    if inside and all(name.isdecimal() for name in inside):
        return [inside[name] for name in sorted(inside, key=int)]
    return inside
