"""The files that say what administrative units there are, in every edition, and how they are read.

| file | a row |
|---|---|
| `editions.csv` | an edition and its first day; the first one holds for all days before the second |
| `units.csv` | a unit of an edition, under its newest name |
| `former_names.csv` | what a unit was named within its edition before, up to a last day |
| `unit_successors.csv` | a unit and what it became, wholly or in part, in the next edition |

They are checked as far as answers rest on them, so that a folder is either wholly known or refused.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from sys import intern
from typing import Literal, NamedTuple, cast, get_args

Level = Literal["province", "district", "commune"]

SHIPPED = Path(__file__).parent / "data"

# The pattern of shared.text.UnitId.
_UNIT_ID = re.compile(r"\d{4}:\d{2,5}", re.ASCII)


class Unit(NamedTuple):
    """A province, district or commune as one edition knows it."""

    id: str
    edition: str
    code: str
    name: str
    type: str
    level: Level
    parent: str | None


class Former(NamedTuple):
    """What a unit was named up to a day."""

    last_day: date
    name: str
    type: str


class Register(NamedTuple):
    """The editions with their first days, every unit by its id, both in order, and what each id leads to."""

    editions: dict[str, date]
    units: dict[str, Unit]
    former: dict[str, list[Former]]
    children: dict[str, tuple[str, ...]]
    successors: dict[str, tuple[str, ...]]
    predecessors: dict[str, tuple[str, ...]]


def read(folder: Path) -> Register:
    """The register that a folder's files hold. ValueError names the first row in them that can't be."""
    editions = _editions(folder)
    units = _units(folder, editions)
    under, became, was = defaultdict(list), defaultdict(list), defaultdict(list)
    for unit in units.values():
        if unit.parent:
            under[unit.parent].append(unit.id)
    for old, new in _steps(folder, editions, units):
        became[old].append(new)
        was[new].append(old)
    links = ({id: tuple(linked.get(id, ())) for id in units} for linked in (under, became, was))
    return Register(editions, units, _former_names(folder, units), *links)


def _editions(folder: Path) -> dict[str, date]:
    editions: dict[str, date] = {}
    for name, first in _rows(folder, "editions.csv"):
        day = date.fromisoformat(first) if first else date.min
        if name in editions or (day == date.min) != (not editions) or day < max(editions.values(), default=day):
            raise ValueError(f"editions.csv: {name} from {first}: the first has no day, and each other a later one")
        editions[name] = day
    return editions


def _units(folder: Path, editions: dict[str, date]) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for unit in sorted(_rows_of_units(folder)):
        if unit.id in units or unit.edition not in editions or not _UNIT_ID.fullmatch(unit.id):
            raise ValueError(f"units.csv: {unit.id} stands there twice, or is no unit of an edition")
        units[unit.id] = unit
    for unit in units.values():
        above = units[unit.parent].level if unit.parent in units else None
        if unit.level not in get_args(Level) or (above is None) != (unit.level == "province" and not unit.parent):
            raise ValueError(f"units.csv: {unit.id} is a {unit.level} in {unit.parent}")
    return units


def _steps(folder: Path, editions: dict[str, date], units: dict[str, Unit]) -> Iterator[tuple[str, str]]:
    following = set(pairwise(editions))
    for edition, code, next_edition, next_code in sorted(_rows(folder, "unit_successors.csv")):
        old, new = units.get(f"{edition}:{code}"), units.get(f"{next_edition}:{next_code}")
        if old is None or new is None or (edition, next_edition) not in following:
            raise ValueError(
                f"unit_successors.csv: {edition}:{code} to {next_edition}:{next_code} is no step to the next edition"
            )
        if (old.level == "province") != (new.level == "province"):
            raise ValueError(f"unit_successors.csv: {old.id} is a {old.level}, {new.id} a {new.level}")
        yield old.id, new.id


def _former_names(folder: Path, units: dict[str, Unit]) -> dict[str, list[Former]]:
    former: dict[str, list[Former]] = {}
    for edition, code, last, name, type in sorted(_rows(folder, "former_names.csv")):
        unit = units.get(f"{edition}:{code}")
        if unit is None:
            raise ValueError(f"former_names.csv: there is no unit {edition}:{code}")
        former.setdefault(unit.id, []).append(Former(date.fromisoformat(last), name, type))
    return former


def _rows_of_units(folder: Path) -> Iterator[Unit]:
    # The texts that many units share are kept once.
    for edition, code, name, type, level, parent in _rows(folder, "units.csv"):
        parent_id = intern(f"{edition}:{parent}") if parent else None
        id = intern(f"{edition}:{code}")
        yield Unit(id, intern(edition), code, name, intern(type), cast(Level, intern(level)), parent_id)


def _rows(folder: Path, name: str) -> Iterator[list[str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows
