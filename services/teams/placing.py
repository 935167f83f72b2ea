"""Whether a team stands, and where it is on which day: a decision may place one anew whose commune was split."""

from datetime import date, timedelta

from services.teams.corrections import require_not_withdrawn
from services.teams.errors import TeamDissolved
from services.teams.tables.teams import Team
from shared import events
from shared.validity import unit_on


def unit_of(team: Team, day: date) -> str:
    """The unit in which a fact of `day` belongs to the team."""
    if team.left_unit is not None and team.placed_on is not None and day < team.placed_on:
        return unit_on(team.left_unit, day)
    return unit_on(team.unit, day)


def facts(team: Team) -> list[events.Team]:
    """What of a team may be counted: where it was before it was placed anew, and where it is."""
    if team.placed_on is None or team.left_unit is None:
        return [events.Team(team.unit, team.from_on, team.until_on)]
    return [
        events.Team(team.left_unit, team.from_on, team.placed_on - timedelta(days=1)),
        events.Team(team.unit, team.placed_on, team.until_on),
    ]


def require_standing(team: Team) -> None:
    """Raise TeamDissolved or RecordWithdrawn unless the team still exists."""
    require_not_withdrawn(team)
    if team.until_on is not None:
        raise TeamDissolved(team_id=team.id, until_on=team.until_on)
