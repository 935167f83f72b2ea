"""The verbs of teams: create one, change what it is called, dissolve it."""

from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.teams.errors import DayTooEarly, TeamDissolved, TermsOutlastTeam
from services.teams.members.models import Member
from services.teams.members.terms import end_term
from services.teams.teams.models import Team
from services.teams.teams.reading import team_out
from services.teams.teams.schemas import ChangeTeam, CreateTeam, DissolveTeam, TeamOut
from shared import events, units
from shared.auth import Identity
from shared.database import Row
from shared.errors import InvalidInput
from shared.outbox import UnitOfWork
from shared.places import require_not_future, require_place


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
    caller.require_role("keep_registry")
    team = await work.load(Team, team_id)
    caller.require("keep_registry", team["unit"])
    require_standing(team)
    values = changes.model_dump(exclude_none=True)
    if changes.hamlets is not None:
        values["hamlets"] = _json(changes.hamlets)
    changed = work.change(Team, team, **values)
    work.emit("TeamChanged", team_id, fact(team), fact(changed))
    return team_out(changed)


async def dissolve_team(work: UnitOfWork, caller: Identity, team_id: UUID, dissolution: DissolveTeam) -> TeamOut:
    """End the team and, the same day, its members' open terms. Raises when a member was in it after that day."""
    caller.require_role("keep_registry")
    team = await work.load(Team, team_id)
    caller.require("keep_registry", team["unit"])
    require_standing(team)
    until_on = dissolution.until_on
    require_not_future(until_on)
    if until_on < team["from_on"]:
        raise DayTooEarly(day=until_on, earliest=team["from_on"])
    terms = await work.database.fetch(
        "SELECT * FROM member_terms WHERE team_id = $1 AND (until_on IS NULL OR until_on > $2)", team_id, until_on
    )
    if any(term["until_on"] is not None or term["from_on"] > until_on for term in terms):
        raise TermsOutlastTeam(day=until_on)
    members = await work.database.fetch(
        "SELECT * FROM members WHERE id = ANY($1)", [term["member_id"] for term in terms]
    )
    changed = work.change(
        Team,
        team,
        until_on=until_on,
        **dissolution.decision.columns("dissolution"),
        dissolution_reason=dissolution.reason,
    )
    for member in members:
        work.change(Member, dict(member), released_on=until_on)
    for term in terms:
        end_term(work, dict(term), "MemberReleased", until_on, "team_dissolved", dissolution.decision)
    work.emit("TeamDissolved", team_id, fact(team), fact(changed))
    return team_out(changed)


def _json(hamlets: list[str]) -> str:
    return msgspec.json.encode(hamlets).decode()


def require_standing(team: Row) -> None:
    """Raise TeamDissolved unless the team still exists."""
    if team["until_on"] is not None:
        raise TeamDissolved(team_id=team["id"], until_on=team["until_on"])


def fact(team: Row) -> events.Team:
    """What of a team may be counted."""
    return events.Team(unit=team["unit"], from_on=team["from_on"], until_on=team.get("until_on"))
