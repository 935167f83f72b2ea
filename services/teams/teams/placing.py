"""Where a team is on which day: a decision may place one anew whose commune was split."""

from datetime import date, timedelta

from shared import events
from shared.database import Row
from shared.places import unit_on


def unit_of(team: Row, day: date) -> str:
    """The unit in which a fact of `day` belongs to the team."""
    placed_on = team.get("placed_on")
    return unit_on(team["left_unit"] if placed_on is not None and day < placed_on else team["unit"], day)


def facts(team: Row) -> list[events.Team]:
    """What of a team may be counted: where it was before it was placed anew, and where it is."""
    unit, first, last, placed_on = team["unit"], team["from_on"], team.get("until_on"), team.get("placed_on")
    if placed_on is None:
        return [events.Team(unit, first, last)]
    return [events.Team(team["left_unit"], first, placed_on - timedelta(days=1)), events.Team(unit, placed_on, last)]
