"""What events count: an event adds measure(after) - measure(before) to the cell of its own unit and days.

A counter is a function of events alone. A batch is summed for each unit and day first; only the sums are spread to
the units above and to successors.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from services.stats.counting.vectors import lane
from services.stats.indicators import INDICATORS, Flow, Stock
from shared import events, units
from shared.days import day_of
from shared.log import Record

# For each unit, day on which it happened and day on which it was recorded: a vector.
Cells = dict[tuple[str, date, date], int]

# An event that cannot be counted, and why.
Dead = tuple[Record, str]

# More than one fact can be; a larger number would run over from its lane into that of another indicator.
_MOST_OF_ONE_FACT = 1_000_000_000

_by_fact: dict[type[events.Fact], list[tuple[int, Flow | Stock]]] = {}
for _index, _indicator in enumerate(INDICATORS):
    _by_fact.setdefault(_indicator.of, []).append((lane(_index), _indicator))
_measured: dict[events.Fact, dict[date, int]] = {}


class Counted(NamedTuple):
    """What events add to the cells of their own units and days, those of them that cannot be counted, and how many
    in a row could not when they ended: the next batch goes on from there."""

    cells: Cells
    dead: list[Dead]
    failed_in_a_row: int


class TooManyDeadLetters(Exception):
    """So many events in a row fail that the fault is more likely here than in them."""


def measure(fact: events.Fact | None) -> dict[date, int]:
    """What a fact counts: for each day a vector with a lane for each indicator. No fact counts nothing."""
    if fact is None:
        return {}
    measured = _measured.get(fact)
    if measured is None:
        if len(_measured) >= 200_000:
            _measured.clear()
        measured = _measured[fact] = _measure(fact)
    return measured


def _measure(fact: events.Fact) -> dict[date, int]:
    vector: Counter[date] = Counter()
    for one, indicator in _by_fact.get(type(fact), ()):
        if not indicator.where(fact):
            continue
        if isinstance(indicator, Flow):
            if (day := getattr(fact, indicator.on)) is not None:
                amount = indicator.amount(fact)
                if not 0 <= amount <= _MOST_OF_ONE_FACT:
                    raise ValueError(f"{indicator.name}: {amount}")
                vector[day] += one * amount
        else:
            vector[getattr(fact, indicator.since)] += one
            if (until := getattr(fact, indicator.until)) is not None:
                vector[until + timedelta(days=1)] -= one
    return dict(vector)


def _add_record(cells: Cells, record: Record, recorded_on: date) -> None:
    """Add what one event changes to the cells of its own units and days."""
    change = events.decode(record.type, record.dataversion, record.data)
    for fact, sign in ((change.before, -1), (change.after, 1)):
        for day, vector in measure(fact).items():
            key = (fact.unit, day, recorded_on)  # type: ignore[union-attr]
            cells[key] = cells.get(key, 0) + sign * vector


def spread(cells: Cells) -> Cells:
    """The cells of every unit in which a fact counts: its own, those above, and those that came after."""
    wide: Cells = {}
    for (unit, day, recorded_on), vector in cells.items():
        for counted_in in units.spread(unit):
            key = (counted_in, day, recorded_on)
            wide[key] = wide.get(key, 0) + vector
    return wide


def by_month(cells: Cells) -> Cells:
    """The same cells, summed for each month of the fact and each month in which it was recorded."""
    months: Cells = {}
    for (unit, day, recorded_on), vector in cells.items():
        key = (unit, day.replace(day=1), recorded_on.replace(day=1))
        months[key] = months.get(key, 0) + vector
    return months


def count(records: Iterable[Record], most_in_a_row: int, failed_before: int = 0) -> Counted:
    """What a batch adds. An event that cannot be counted is `dead` and leaves no trace in the cells.

    Raises TooManyDeadLetters, which counts in the `failed_before` that the last batch ended with.
    """
    cells, dead, in_a_row = Cells(), list[Dead](), failed_before
    for record in records:
        try:
            mine: Cells = {}
            _add_record(mine, record, day_of(record.recorded_at))
            for key in mine:
                units.spread(key[0])
        except (msgspec.DecodeError, KeyError, ArithmeticError, ValueError, TypeError) as error:
            dead.append((record, f"{type(error).__name__}: {error}"))
            in_a_row += 1
            if in_a_row >= most_in_a_row:
                raise TooManyDeadLetters(f"{in_a_row} in a row, the last at {record.seq}") from error
            continue
        in_a_row = 0
        for key, vector in mine.items():
            cells[key] = cells.get(key, 0) + vector
    return Counted(cells, dead, in_a_row)
