"""The verbs of teams: create one, change what it is called, dissolve it."""

from datetime import date
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.teams.teams.models import Team
from services.teams.teams.reading import team_out
from services.teams.teams.schemas import ChangeTeam, CreateTeam, TeamOut
from shared import events, units
from shared.auth import Identity
from shared.database import Row
from shared.errors import InvalidInput, Problem
from shared.outbox import UnitOfWork
from shared.places import require_place


class TeamDissolved(Problem):
    """A dissolved team takes no further change."""

    status, name = 409, "team-dissolved"
    vi, en = "Tổ này đã giải thể.", "This team is dissolved."


async def create_team(work: UnitOfWork, caller: Identity, team: CreateTeam) -> TeamOut:
    """Enter a team. Raises for a place or a day that cannot be, a unit that is no commune, or a foreign area."""
    require_place(team.unit, team.from_on)
    caller.require("keep_registry", team.unit)
    unit = units.get(team.unit)
    if unit is None or unit.level != "commune":
        raise InvalidInput(errors=[{"at": "unit", "code": "level", "message": "a team belongs to a commune"}])
    row = work.add(
        Team,
        id=uuid7(),
        unit=team.unit,
        name=team.name,
        hamlets=_json(team.hamlets),
        from_on=team.from_on,
        **team.decision.columns("decision"),
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("TeamCreated", row["id"], None, fact(row))
    return team_out(row)


async def change_team(work: UnitOfWork, caller: Identity, team_id: UUID, changes: ChangeTeam) -> TeamOut:
    """Change the team's name or hamlets; nothing of it is counted. Raises TeamDissolved."""
    team = await work.load(Team, team_id)
    caller.require("keep_registry", team["unit"])
    require_standing(team)
    values = changes.model_dump(exclude_none=True)
    if changes.hamlets is not None:
        values["hamlets"] = _json(changes.hamlets)
    return team_out(work.change(Team, team, **values))


def _json(hamlets: list[str]) -> str:
    return msgspec.json.encode(hamlets).decode()


def require_standing(team: Row) -> None:
    """Raise TeamDissolved unless the team still exists."""
    if team["until_on"] is not None:
        until_on: date = team["until_on"]
        raise TeamDissolved(team_id=team["id"], until_on=until_on)


def fact(team: Row) -> events.Team:
    """What of a team may be counted."""
    return events.Team(unit=team["unit"], from_on=team["from_on"], until_on=team.get("until_on"))
