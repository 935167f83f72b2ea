"""The scenarios, one row each, and the figures that were published of them, as seed_figures.csv holds them."""

import csv
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from deploy.scenarios import bac_lieu, binh_duong, buon_ho
from deploy.scenarios.diary import Request
from services.stats.indicators import INDICATORS
from shared import units

# "khoảng 68.000" may be anything within one in a hundred.
APPROXIMATELY = 0.01
# An indicator with this behind its name is its change, in per cent, against the same period of the year before.
CHANGE = "_change"


class Period(NamedTuple):
    """From a first to a last day, both included."""

    first: date
    last: date

    def a_year_before(self) -> "Period":
        """The same period of the year before (cùng kỳ)."""
        return Period(*(day.replace(year=day.year - 1) for day in self))


class Figure(NamedTuple):
    """One published figure: the indicator, how the source words it, its value, what it counts, and when.

    `kind`: exact, nearly, approx, at_least or percent. The value of a `percent` is a change against the same period of the
    year before; `wording` is how the source qualifies it: gần, khoảng, trên.
    """

    indicator: str
    vietnamese: str
    value: int
    unit: str
    kind: str
    period: Period
    wording: str = ""

    @property
    def counts(self) -> str:
        """The indicator that it is counted by, which for a change is that of what changed."""
        return self.indicator.removesuffix(CHANGE)

    @property
    def periods(self) -> tuple[Period, ...]:
        """The periods whose counters the figure comes from."""
        return (self.period, self.period.a_year_before()) if self.kind == "percent" else (self.period,)

    def counted(self, counters: Mapping[Period, Mapping[str, int]]) -> float:
        """The figure as the counters of its periods have it; a change from nothing is none."""
        now, *before = (counters.get(period, {}).get(self.counts, 0) for period in self.periods)
        if self.kind == "percent":
            return (now - before[0]) / before[0] * 100 if before[0] else 0
        return now

    def agrees(self, counted: float) -> bool:
        """Whether what was counted is what was published."""
        near = APPROXIMATELY * self.value
        least, most = {
            # "gần 68.000" is below it and near it, never above; "trên 9.000" is at least that.
            "nearly": (self.value - near, self.value - 1),
            "approx": (self.value - near, self.value + near),
            "at_least": (self.value, float("inf")),
        }.get(self.kind, (self.value, self.value))
        return least <= counted <= most


class Scenario(NamedTuple):
    """One scenario: where and when, which province is served, and the plan that comes to given figures."""

    title: str
    province: str
    # The unit whose figures they are: the province, or a district of it.
    place: str
    period: Period
    plan: Callable[[dict[str, int], int], list[Request]]
    seed: int

    @property
    def is_public(self) -> bool:
        """Whether its figures are read without a token: those of whole months of a province."""
        whole_months = self.period.first.day == 1 and (self.period.last + timedelta(days=1)).day == 1
        return whole_months and self.place == self.province

    def figures(self) -> list[Figure]:
        """What was published of the place for the period, and of its level on or right after its last day, and is counted."""
        counted = {indicator.name for indicator in INDICATORS}
        with (Path(units.__file__).parent / "data" / "seed_figures.csv").open(encoding="utf-8", newline="") as file:
            found = [row for row in csv.DictReader(file) if f"{row['edition']}:{row['unit_code']}" == self.place]
        figures = [
            Figure(
                row["indicator"],
                row["vietnamese"],
                int(row["value"]),
                row["unit"],
                row["kind"],
                Period(
                    date.fromisoformat(row["period_start"] or row["period_end"]), date.fromisoformat(row["period_end"])
                ),
                row["wording"],
            )
            for row in found
            if row["basis"] == "counted"
            and row["kind"] in ("exact", "nearly", "approx", "at_least", "percent")
            and row["indicator"].removesuffix(CHANGE) in counted
        ]
        return [f for f in figures if f.period == self.period or 0 <= (f.period.first - self.period.last).days <= 1]

    def requests(self, figures: dict[str, int] | None = None, seed: int | None = None) -> list[Request]:
        """The plan that comes to the published figures, or to others."""
        published = {figure.indicator: figure.value for figure in self.figures()}
        return self.plan(published if figures is None else figures, self.seed if seed is None else seed)


SCENARIOS: dict[str, Scenario] = {
    "binh-duong": Scenario(
        "Bình Dương",
        binh_duong.PROVINCE,
        binh_duong.PROVINCE,
        Period(binh_duong.FIRST, binh_duong.LAST),
        binh_duong.plan,
        seed=74,
    ),
    "bac-lieu": Scenario(
        "Bạc Liêu", bac_lieu.PROVINCE, bac_lieu.PROVINCE, Period(bac_lieu.FIRST, bac_lieu.LAST), bac_lieu.plan, seed=95
    ),
    "buon-ho": Scenario(
        "Thị xã Buôn Hồ (Đắk Lắk)",
        buon_ho.PROVINCE,
        buon_ho.PLACE,
        Period(buon_ho.FIRST, buon_ho.LAST),
        buon_ho.plan,
        seed=644,
    ),
}
