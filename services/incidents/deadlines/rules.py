"""The deadlines of tips as the law and the province set them: read from deadlines.toml, checked, and looked up."""

import tomllib
from collections.abc import Callable
from datetime import date, datetime
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.incidents.tips.workflow import STEPS
from shared import units
from shared.days import Day, today
from shared.events.incidents import TipClass
from shared.settings import Settings, settings
from shared.text import Line, Word
from shared.working_days import (
    SWAPS,
    BadFile,
    days_later,
    hours_later,
    in_words,
    is_working_day,
    months_later,
    read_swaps,
    working_days_later,
)

NATIONAL = Path(__file__).with_name("deadlines.toml")

Area = Literal["ordinary", "difficult"]


def _known_unit(id: str) -> str:
    if units.get(id) is None:
        raise ValueError(f"there is no unit {id}")
    return id


def _known_step(command: str) -> str:
    if command not in STEPS:
        raise ValueError(f"a tip has no step {command}; there are {', '.join(STEPS)}")
    return command


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_LATER: dict[str, Callable[[datetime, int], datetime]] = {
    "hours": hours_later,
    "days": days_later,
    "working_days": working_days_later,
    "months": months_later,
}


class Time(_Row):
    """A length of time in exactly one unit."""

    hours: Annotated[int | None, Field(ge=1, le=87_600)] = None
    days: Annotated[int | None, Field(ge=1, le=3_650)] = None
    working_days: Annotated[int | None, Field(ge=1, le=1_000)] = None
    months: Annotated[int | None, Field(ge=1, le=120)] = None

    @model_validator(mode="after")
    def _one_unit(self) -> "Time":
        if sum(getattr(self, unit) is not None for unit in _LATER) != 1:
            raise ValueError(f"give exactly one of {', '.join(_LATER)}")
        return self

    @cached_property
    def _amount(self) -> tuple[Callable[[datetime, int], datetime], int]:
        (found,) = ((later, getattr(self, unit)) for unit, later in _LATER.items() if getattr(self, unit) is not None)
        return found

    def after(self, instant: datetime) -> datetime:
        """When this time, begun at the instant, ends."""
        later, amount = self._amount
        return later(instant, amount)


class Extension(Time):
    """How far an end may be put off, once; requested at least `asked_days_before` days before the end."""

    asked_days_before: Annotated[int, Field(ge=0, le=365)] = 0
    only_complex: bool = False


class Rule(Time):
    """How long a deadline is, for which tips."""

    since: Day = Field(date.min, alias="from")
    classes: list[TipClass] | None = Field(None, min_length=1)
    area: Area | None = None
    complex: Time | None = None
    extension: Extension | None = None

    def holds(self, classified_as: str | None, area: Area, on: date) -> bool:
        """Whether it is for such a tip, received that day."""
        return (
            self.since <= on
            and (self.classes is None or classified_as in self.classes)
            and (self.area is None or self.area == area)
        )


class DeadlineDefinition(_Row):
    """One deadline: its names, the steps that meet it, and its rules."""

    name: Word
    vi: Line
    en: Line
    met_by: list[Annotated[str, AfterValidator(_known_step)]]
    rule: list[Rule] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_rule_holds(self) -> "DeadlineDefinition":
        for since in {rule.since for rule in self.rule}:
            for classified_as in (None, *get_args(TipClass)):
                for area in get_args(Area):
                    of_that_day = [r for r in self.rule if r.since == since and r.holds(classified_as, area, since)]
                    if len(of_that_day) > 1:
                        whom = f"a tip of {area} area and class {classified_as or 'none yet'}"
                        raise ValueError(f"two rules of {self.name} from the same day hold for {whom}")
        return self

    def rule_for(self, classified_as: str | None, area: Area, on: date) -> Rule | None:
        """The rule for such a tip received that day: of those that hold, the latest."""
        holding = [rule for rule in self.rule if rule.holds(classified_as, area, on)]
        return max(holding, key=lambda rule: rule.since, default=None)


class Difficult(_Row):
    """Units of difficult access, with all below them."""

    units: frozenset[Annotated[str, AfterValidator(_known_unit)]]
    since: Day = Field(date.min, alias="from")


class Deadlines(_Row):
    """The whole file."""

    deadline: list[DeadlineDefinition]
    difficult: list[Difficult] = []

    @model_validator(mode="after")
    def _names_differ(self) -> "Deadlines":
        names = [deadline.name for deadline in self.deadline]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two deadlines are called {', '.join(sorted(twice))}")
        return self


def read(path: Path) -> Deadlines:
    """The deadlines that a file sets. Raises BadFile, which says in words what is wrong and where."""
    try:
        return Deadlines.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise BadFile(f"{path}: {in_words(error)}") from error


def check(settings: Settings) -> None:
    """Raise BadFile unless the files that the settings name, or the national ones, can be used."""
    read(Path(settings.deadlines) if settings.deadlines else NATIONAL)
    read_swaps(Path(settings.swaps) if settings.swaps else SWAPS)
    # The package of holidays takes a second to load, which no request shall wait for.
    is_working_day(today())


@cache
def deadlines() -> Deadlines:
    """What holds in this process."""
    return read(Path(settings().deadlines) if settings().deadlines else NATIONAL)


class WantedDeadline(NamedTuple):
    """A deadline that a tip has, and the rule by which it has it."""

    name: str
    met_by: frozenset[str]
    rule: Rule
    difficult: bool


@lru_cache(maxsize=65_536)
def wanted(classified_as: str | None, unit: str, on: date) -> tuple[WantedDeadline, ...]:
    """The deadlines of a tip of this class that `unit` handles and that was received on this day."""
    area = area_of(unit, on)
    return tuple(
        WantedDeadline(deadline.name, frozenset(deadline.met_by), rule, area == "difficult")
        for deadline in deadlines().deadline
        if (rule := deadline.rule_for(classified_as, area, on)) is not None
    )


def area_of(unit: str, on: date) -> Area:
    """Whether a unit lies in a difficult area on a day."""
    here = {unit, *units.ancestors(unit)}
    return (
        "difficult"
        if any(row.since <= on and not here.isdisjoint(row.units) for row in deadlines().difficult)
        else "ordinary"
    )


def forget() -> None:
    """Read the files anew at the next question; for tests."""
    for remembered in (deadlines, wanted):
        remembered.cache_clear()


def texts() -> dict[str, tuple[str, str]]:
    """The names of the deadlines for people, Vietnamese and English."""
    return {deadline.name: (deadline.vi, deadline.en) for deadline in deadlines().deadline}
