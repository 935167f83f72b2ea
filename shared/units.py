"""Provinces, districts and communes of both editions: what lies under what, and what became what in 2025.

A unit is named `edition:code`, e.g. `2024:74`, since codes were reused. Both editions are read from `data/`
once, on first use. Where an argument must name a unit, one that `get` does not know raises KeyError.
"""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from sys import intern
from typing import Literal, NamedTuple, cast

from shared.text import without_unseen

Level = Literal["province", "district", "commune"]

# Each edition with its first day, in order. Facts older than the 2024 edition are told in it.
EDITIONS = {"2024": date.min, "2025": date(2025, 7, 1)}


class Unit(NamedTuple):
    """A province, district or commune as one edition knows it."""

    id: str
    edition: str
    code: str
    name: str
    type: str
    level: Level
    parent: str | None


class _Register(NamedTuple):
    """Every unit by its id, in the order of ids, and the ids that it leads to."""

    units: dict[str, Unit]
    children: dict[str, tuple[str, ...]]
    successors: dict[str, tuple[str, ...]]
    predecessors: dict[str, tuple[str, ...]]


def edition_on(day: date) -> str:
    """The edition that holds on a day: "2024" up to 2025-06-30, "2025" after."""
    return [edition for edition, first_day in EDITIONS.items() if first_day <= day][-1]


@cache
def last_day(edition: str) -> date:
    """The last day on which an edition holds: the day before the next one's first."""
    later = [first_day for first_day in EDITIONS.values() if first_day > EDITIONS[edition]]
    return min(later) - timedelta(days=1) if later else date.max


def get(id: str) -> Unit | None:
    """The unit of this id, or None."""
    return _register().units.get(id)


def is_province(id: str) -> bool:
    """Whether a unit that is known is a province."""
    return _register().units[id].level == "province"


def children(id: str) -> tuple[str, ...]:
    """The units directly under it, in the order of their codes."""
    return _register().children[id]


def ancestors(id: str) -> tuple[str, ...]:
    """The units above it, nearest first, without itself."""
    parent = _register().units[id].parent
    return (parent, *ancestors(parent)) if parent else ()


def successors(id: str) -> tuple[str, ...]:
    """What a 2024 province or commune became, by Decision 19/2025/QĐ-TTg; nothing for a district."""
    return _register().successors[id]


def predecessors(id: str) -> tuple[str, ...]:
    """Which 2024 provinces or communes became it, wholly or in part."""
    return _register().predecessors[id]


def unattributed(province: str) -> str:
    """The row of a 2025 province for old facts that no single commune of it inherits; it is no unit."""
    return f"{province}/unattributed"


@cache
def spread(id: str) -> tuple[str, ...]:
    """Every row that a fact of this unit is counted in, itself first, each once.

    A 2024 fact also goes to the new province, and there to the one commune that its commune became; the fact
    of a district, or of a commune with several successors or none on record, goes to the unattributed row
    instead. A fact of a whole province goes to nothing below the new province.
    """
    unit = _register().units[id]
    own_edition = (id, *ancestors(id))
    if unit.edition != "2024":
        return own_edition
    (new_province,) = successors(own_edition[-1])
    if unit.level == "province":
        return (*own_edition, new_province)
    became = successors(id)
    return (*own_edition, became[0] if len(became) == 1 else unattributed(new_province), new_province)


@cache
def served(province: str) -> frozenset[str]:
    """The units whose facts a deployment of this province takes, of both editions.

    A 2024 province: its units, the communes that its communes became, and their province, of which that may
    be a part (`is_partial`). A 2025 province: its units, and all units of the provinces that became it. An
    island commune that had only a district before has no predecessor on record: only its 2025 province
    serves it.
    """
    own = list(_within(province))
    if _register().units[province].edition == "2024":
        return frozenset(own).union(*(successors(id) for id in own))
    return frozenset(own).union(*(_within(old) for old in predecessors(province)))


def is_partial(id: str, province: str) -> bool:
    """Whether a deployment of this province does not serve the whole of a 2025 unit, itself and all that
    became it. A 2024 unit never is partial."""
    is_new = _register().units[id].edition == "2025"
    return is_new and not served(province).issuperset((id, *predecessors(id)))


def is_exact(id: str) -> bool:
    """Whether a unit's series across 2025-07-01 is exact: a 2025 commune's only if it has predecessors, and
    each became it alone. An island commune had only a district before, whose facts it does not inherit."""
    unit = _register().units[id]
    if unit.edition == "2024" or unit.level == "province":
        return True
    return bool(predecessors(id)) and all(successors(old) == (id,) for old in predecessors(id))


@lru_cache(maxsize=4096)
def area(id: str) -> frozenset[str]:
    """The units on whose records an officer of this unit may act, in both editions.

    A province: what its deployment serves, but no 2025 unit that is partly another old province's. Below it:
    the unit, all under it, and across the editions only where a 2024 commune has a sole successor.
    """
    if _register().units[id].level == "province":
        return frozenset(unit for unit in served(id) if not is_partial(unit, id))
    own = frozenset(_within(id))
    became = (successors(unit) for unit in own)
    was = (old for unit in own for old in predecessors(unit) if len(successors(old)) == 1)
    return own.union(was, *(sole for sole in became if len(sole) == 1))


def search(
    name: str = "",
    parent: str = "",
    level: str = "",
    edition: str = "",
    code: str = "",
    limit: int = 50,
    after: str = "",
) -> list[Unit]:
    """The first `limit` units in the order of their ids, beginning behind the id `after`.

    Every word of `name` occurs in the unit's name, in any order, whatever the diacritics; `parent` is the
    unit directly above. What is left empty restricts nothing; what is unknown finds nothing.
    """
    words = fold(name).split()
    found = (
        unit
        for unit, folded_name in _folded_names()
        if unit.id > after
        and parent in ("", unit.parent)
        and level in ("", unit.level)
        and edition in ("", unit.edition)
        and code in ("", unit.code)
        and all(word in folded_name for word in words)
    )
    return list(islice(found, limit))


def fold(text: str) -> str:
    """The text as it is searched: lower case, no diacritics (hoà = hòa = hoa, đ = d), single spaces."""
    letters = unicodedata.normalize("NFD", without_unseen(text).lower())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(plain.replace("đ", "d").split())


_TONES = {"\u0300": "1", "\u0309": "2", "\u0303": "3", "\u0301": "4", "\u0323": "5"}  # huyền hỏi ngã sắc nặng
# A marked letter becomes the plain one and a sign behind z, so that ă (breve), then â (circumflex) follow az.
_RANKS = str.maketrans({"đ": "d{", "\u0306": "{", "\u0302": "|", "\u031b": "}"} | dict.fromkeys(_TONES, ""))


def sort_key(name: str) -> str:
    """A text whose order by code points (COLLATE "C") is that of the Vietnamese alphabet: a ă â b … d đ … y.

    Names that differ by their tones alone are ordered by these, word by word: ngang, huyền, hỏi, ngã, sắc,
    nặng. Upper case, tone placement and surplus spaces make no difference.
    """
    words = unicodedata.normalize("NFD", without_unseen(name).lower()).split()
    tones = ("".join(_TONES.get(letter, "") for letter in word) or "0" for word in words)
    # The tab comes before a space, so that a name comes before every longer one that begins with it.
    return f"{' '.join(words).translate(_RANKS)}\t{''.join(tones)}"


def _within(id: str) -> Iterator[str]:
    yield id
    for child in children(id):
        yield from _within(child)


@cache
def _folded_names() -> list[tuple[Unit, str]]:
    return [(unit, fold(unit.name)) for unit in _register().units.values()]


@cache
def _register() -> _Register:
    units = {unit.id: unit for unit in sorted(_read_units())}
    under, became, was = defaultdict(list), defaultdict(list), defaultdict(list)
    for unit in units.values():
        if unit.parent:
            under[unit.parent].append(unit.id)
    for _, code_2024, code_2025 in sorted(_rows("unit_successors.csv")):
        old, new = units[f"2024:{code_2024}"].id, units[f"2025:{code_2025}"].id
        became[old].append(new)
        was[new].append(old)
    links = ({id: tuple(linked.get(id, ())) for id in units} for linked in (under, became, was))
    return _Register(units, *links)


def _read_units() -> Iterator[Unit]:
    # The texts that many units share are kept once.
    for edition, code, name, type, level, parent in _rows("units.csv"):
        parent_id = intern(f"{edition}:{parent}") if parent else None
        id = intern(f"{edition}:{code}")
        yield Unit(id, intern(edition), code, name, intern(type), cast(Level, intern(level)), parent_id)


def _rows(file_name: str) -> Iterator[list[str]]:
    with (Path(__file__).parent / "data" / file_name).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows
