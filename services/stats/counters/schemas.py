"""What crosses HTTP about counters."""

import re
from datetime import date
from typing import Annotated, Literal, NamedTuple

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic.config import JsonDict

from services.stats.indicators import INDICATORS
from shared.days import Day
from shared.events import REPORTING
from shared.http import Input
from shared.outbox import Position
from shared.text import UnitId
from shared.units import Edition

_POSITION = re.compile(rf"^({'|'.join(REPORTING)}):(\d{{1,9}}):(\d{{1,18}})$")
_NAMES = {indicator.name for indicator in INDICATORS}


def _positions(text: str) -> str:
    if not all(_POSITION.match(part) for part in text.split(",")):
        raise ValueError("give the Antt-Position of a write, as incidents:1:1234; several are joined by a comma")
    return text


def positions_of(text: str) -> dict[str, Position]:
    """The positions that a query names, by source."""
    parts = [part.split(":") for part in text.split(",")]
    return {source: Position(int(generation), int(seq)) for source, generation, seq in parts}


def _known(name: str) -> str:
    if name not in _NAMES:
        raise ValueError("there is no such indicator; GET /stats/v1/indicators lists them")
    return name


IndicatorName = Annotated[str, AfterValidator(_known)]
Period = Literal["day", "month", "quarter", "year"]


class Figures(Input):
    """What every question about figures may say besides its unit and range.

    `known_at`: as known at the end of that day; `counted`: wait until these writes are counted;
    `edition`: the edition in which the unit is shown, where one unit stands for it there; without it the unit's own.
    """

    unit: UnitId
    from_: Annotated[Day, Field(alias="from")]
    to: Day
    indicator: Annotated[tuple[IndicatorName, ...], Query()] = ()
    edition: Edition | None = None
    known_at: Day | None = None
    counted: Annotated[str, Field(max_length=200), AfterValidator(_positions)] | None = None


class Series(Figures):
    """A series by day, month, quarter or year."""

    by: Period = "month"


class Freshness(BaseModel):
    """How fresh figures are. `position`: for each source the last event counted, in `generation`; `watermark`: whatever
    was committed before it is counted; `lag_seconds`: how long ago that is; `uncounted`: events that failed to count."""

    position: dict[str, int]
    generation: dict[str, int]
    watermark: AwareDatetime | None
    lag_seconds: float | None
    uncounted: int


def _without_default(schema: JsonDict) -> None:
    """A field that is left out stands for nothing."""
    schema.pop("default", None)


class Exactness(BaseModel):
    """Whether figures are wholly the unit's own; both fields are left out of those that are."""

    exact: bool = Field(True, description="Present and false where the figures are not wholly the unit's own.")
    inexact: Literal["outside-edition", "split"] = Field(
        "split",
        description="Only beside `exact: false`. `outside-edition`: the days asked for go beyond the last day of the "
        "unit's edition; flows count up to that day, stocks keep its level. `split`: the unit has facts of units "
        "that were split, which only days before its edition and levels can hold.",
        json_schema_extra=_without_default,
    )


class CountersOut(Exactness):
    """The figures of one unit: flows over [from, to], stocks at the end of `to`."""

    unit: str
    from_: date = Field(alias="from")
    to: date
    counters: dict[str, int]
    partial: bool = Field(False, description="Present and true where the deployment serves only a part of the unit.")
    freshness: Freshness


class Bucket(Exactness):
    """One period of a series, clipped to the range asked for."""

    from_: date = Field(alias="from")
    to: date
    counters: dict[str, int]


class SeriesOut(Exactness):
    """The figures of one unit, period by period."""

    unit: str
    from_: date = Field(alias="from")
    to: date
    by: Period
    series: list[Bucket]
    freshness: Freshness


class ChildRow(Exactness):
    """One unit below the one asked for; `unattributed` is what cannot be given to a single one of them."""

    unit: str
    name: str
    own: bool = Field(False, description="Present and true for the facts of the unit asked for that no unit below has.")
    others: bool = Field(False, description="Present and true for the units outside the caller's area, in one row.")
    counters: dict[str, int | None]
    suppressed: list[str] = Field(
        [],
        description="Without a token: the indicators whose figure is null, for it is small or would give a small one "
        "away (`ANTT_SMALL_CELL`) in a month of the range; left out where there are none.",
    )


class BreakdownOut(Exactness):
    """The figures of the units below a unit, one row each, and of its own facts: the rows' sum is the unit's figures."""

    unit: str
    from_: date = Field(alias="from")
    to: date
    rows: list[ChildRow]
    freshness: Freshness


class IndicatorOut(BaseModel):
    """One indicator: what it counts and in which unit. Two units are never added."""

    name: str
    vietnamese: str
    unit: str
    nature: Literal["flow", "stock"]
    public: bool = Field(description="Whether the province's figures of whole months are read without a token.")


class FiguresAnswer(NamedTuple):
    """An answer's JSON and its ETag, made of the figures alone: fresher but equal figures have the same."""

    body: bytes
    etag: str
