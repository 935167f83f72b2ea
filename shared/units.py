"""Provinces, districts and communes of every edition: what lies under what, and what became what.

An edition is how the state divided the country from one day on, and it is data (`shared.register`). A unit is named
`edition:code`, e.g. `2024:74`, since codes were reused. The files are read once, on first use. Where an argument must
name a unit, one that `get` does not know raises KeyError.
"""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from pydantic_core import PydanticKnownError, core_schema

from shared.days import today
from shared.register import SHIPPED, Register, read
from shared.register import Level as Level
from shared.register import Unit as Unit
from shared.text import without_unseen

_known: Register | None = None
_forget: list[Callable[[], None]] = []
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def load(folder: Path = SHIPPED) -> Register:
    """Read the register of another folder in place of the one known. ValueError names what in its files is wrong."""
    global _known
    register = read(folder)
    _known = register
    for forget in _forget:
        forget()
    return register


def remembered(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """The function, whose answers follow from its arguments and the register alone: kept until another is loaded."""
    kept = cache(function)
    _forget.append(kept.cache_clear)
    return cast(Callable[_Given, _Found], kept)


def _register() -> Register:
    return _known or load()


def editions() -> tuple[str, ...]:
    """The names of the editions, the earliest first."""
    return tuple(_register().editions)


def edition_of(id: str) -> str:
    """The edition that a unit's id names."""
    return id.partition(":")[0]


def edition_on(day: date) -> str:
    """The edition that holds on a day; the first one holds for all days before, too."""
    return [edition for edition, first in _register().editions.items() if first <= day][-1]


def first_day(edition: str) -> date:
    """The first day on which an edition holds; of the first edition `date.min`."""
    return _register().editions[edition]


@remembered
def last_day(edition: str) -> date:
    """The last day on which an edition holds: the day before the next one's first; `date.max` of the last edition."""
    later = [first for first in _register().editions.values() if first > first_day(edition)]
    return min(later) - timedelta(days=1) if later else date.max


class _EditionName:
    """The names of the editions that are known when a value is looked at, or a document written."""

    @staticmethod
    def _check(given: object) -> object:
        if given not in editions():
            *others, last = map(repr, editions())
            raise PydanticKnownError(
                "literal_error", {"expected": " or ".join(filter(None, (", ".join(others), last)))}
            )
        return given

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return {"type": "string", "enum": list(editions())}


# The name of an edition as it enters and leaves; any other is refused with the names that there are.
Edition = Annotated[str, _EditionName()]


def get(id: str, on: date | None = None) -> Unit | None:
    """The unit of this id under its name of a day, today's unless given; None where there is no such unit."""
    register = _register()
    unit = register.units.get(id)
    if unit is not None and id in register.former:
        day = on or today()
        for former in register.former[id]:
            if day <= former.last_day:
                return unit._replace(name=former.name, type=former.type)
    return unit


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


def province_of(id: str) -> str:
    """The province that it is or lies in."""
    return (id, *ancestors(id))[-1]


def successors(id: str) -> tuple[str, ...]:
    """What it became in the next edition, by the decision that made that one; nothing for a district."""
    return _register().successors[id]


def predecessors(id: str) -> tuple[str, ...]:
    """Which units of the edition before became it, wholly or in part."""
    return _register().predecessors[id]


@remembered
def later(id: str) -> frozenset[str]:
    """All that it became, alone or with others, in every later edition."""
    return frozenset(successors(id)).union(*map(later, successors(id)))


@remembered
def earlier(id: str) -> frozenset[str]:
    """All that became it, wholly or in part, of every earlier edition."""
    return frozenset(predecessors(id)).union(*map(earlier, predecessors(id)))


def heir(id: str) -> str | None:
    """The unit of the next edition that has its facts: the only one that it became, else the province around those.

    The province is that of all its successors, or where none is on record the only one that its own province became;
    None where that is no single one, as for every unit of the last edition.
    """
    became = successors(id)
    if len(became) == 1:
        return became[0]
    provinces = {*map(province_of, became)} or {*successors(province_of(id))}
    return provinces.pop() if len(provinces) == 1 else None


def counterpart(id: str, edition: str) -> str | None:
    """The unit of another edition that stands for it, or None where no single one does.

    In a later edition the only one that it became; in an earlier one the only one that became it, and became it alone.
    """
    forward = first_day(edition) > first_day(edition_of(id))
    while edition_of(id) != edition:
        found = successors(id) if forward else predecessors(id)
        if len(found) != 1 or not (forward or successors(found[0]) == (id,)):
            return None
        id = found[0]
    return id


def unattributed(province: str) -> str:
    """The row of a province for facts of an edition before that no single commune of it inherits; it is no unit."""
    return f"{province}/unattributed"


@remembered
def spread(id: str) -> tuple[str, ...]:
    """Every row that a fact of this unit is counted in, itself first, each once.

    Edition by edition a fact also goes to the unit's heir and what lies above it. Once that is a province which more
    became than the unit itself, the fact is unattributed there, and in the province's heirs. A fact of a whole province
    goes to nothing below the next one.
    """
    rows, here, attributed = [id, *ancestors(id)], id, True
    while (inherits := heir(here)) is not None:
        attributed = attributed and successors(here) == (inherits,)
        rows += [inherits, *ancestors(inherits)] if attributed else [unattributed(inherits), inherits]
        here = inherits
    return tuple(rows)


@remembered
def served(province: str) -> frozenset[str]:
    """The units whose facts a deployment of this province takes, of every edition.

    Its units and what they became in later editions, of which some may be a part of it only (`is_partial`); and what
    became its units, with all that lay under it where that became nothing else. An island commune that had only a
    district before has no predecessor on record: a deployment of an earlier province does not serve it.
    """
    own = frozenset(_within(province))
    found = wholly = before = own
    while before:
        old = {unit for id in before for unit in predecessors(id)}
        alone = (unit for unit in old if len(successors(unit)) == 1 and wholly.issuperset(successors(unit)))
        wholly = wholly.union(*map(_within, alone))
        before = (wholly | old) - found
        found |= before
    return found.union(*map(later, own))


@remembered
def is_partial(id: str, province: str) -> bool:
    """Whether a deployment of this province does not serve the whole of a unit: all under it, and all that became it."""
    return not served(province).issuperset((*_within(id), *earlier(id)))


def is_exact(id: str, since: date = date.min) -> bool:
    """Whether a unit's series from a day on is exact: it has no facts of units that were split after that day, and lacks none.

    So before its edition each unit that became it must have become it alone, and there must be one: an island commune
    had only a district before, whose facts it does not inherit.
    """
    if first_day(_register().units[id].edition) <= since:
        return True
    before = predecessors(id)
    return bool(before) and all(successors(old) == (id,) and is_exact(old, since) for old in before)


@remembered
def area(id: str) -> frozenset[str]:
    """The units on whose records an officer of this unit may act, in every edition.

    A province: what its deployment serves, but nothing of which it serves a part. Below it: the unit and all under it,
    what each became in later editions while that is only one, and what became each alone in earlier ones.
    """
    if is_province(id):
        return frozenset(unit for unit in served(id) if not is_partial(unit, id))
    found = set[str]()
    for unit in _within(id):
        found.add(unit)
        found.update(_only_one_each(unit))
        found.update(_each_alone(unit))
    return frozenset(found)


def _only_one_each(id: str) -> Iterator[str]:
    while len(successors(id)) == 1:
        (id,) = successors(id)
        yield id


def _each_alone(id: str) -> Iterator[str]:
    for old in predecessors(id):
        if len(successors(old)) == 1:
            yield old
            yield from _each_alone(old)


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

    Every word of `name` occurs in a name of the unit, in any order, whatever the diacritics; `parent` is the
    unit directly above. What is left empty restricts nothing; what is unknown finds nothing.
    """
    words = fold(name).split()
    found = (
        unit
        for unit, folded_names in _folded_names()
        if unit.id > after
        and parent in ("", unit.parent)
        and level in ("", unit.level)
        and edition in ("", unit.edition)
        and code in ("", unit.code)
        and any(all(word in folded for word in words) for folded in folded_names)
    )
    return [get(unit.id) or unit for unit in islice(found, limit)]


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


@remembered
def _folded_names() -> list[tuple[Unit, tuple[str, ...]]]:
    register = _register()
    return [
        (unit, tuple(fold(named.name) for named in (unit, *register.former.get(unit.id, ()))))
        for unit in register.units.values()
    ]
