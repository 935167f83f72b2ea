"""What may be read of teams."""

from uuid import UUID

import msgspec

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.tables.teams import Team
from services.teams.teams.schemas import ListTeams, TeamOut, TeamPage
from shared.access import Identity
from shared.database import Database
from shared.decisions import decision_of
from shared.errors import NotFound
from shared.outbox import row_of
from shared.outbox.rows import values_of


async def list_teams(database: Database, caller: Identity, query: ListTeams) -> TeamPage:
    """A page of the teams in the caller's reach."""
    team_id, area = caller.reach("read_registry", query.unit)
    rows = await database.fetch(
        """SELECT * FROM teams
        WHERE ($1::uuid IS NULL OR id > $1) AND ($2::uuid IS NULL OR id = $2)
          AND ($3::text[] IS NULL OR unit = ANY($3))
        ORDER BY id LIMIT $4""",
        query.after,
        team_id,
        area,
        query.limit,
    )
    return TeamPage(items=[team_out(row_of(Team, row)) for row in rows])


async def read_team(database: Database, caller: Identity, team_id: UUID) -> TeamOut:
    """One team. NotFound without one, ForeignArea outside the caller's reach."""
    caller.require_role("read_registry")
    row = await database.fetchrow("SELECT * FROM teams WHERE id = $1", team_id)
    if row is None:
        raise NotFound(id=team_id)
    caller.require("read_registry", row["unit"], str(team_id))
    return team_out(row_of(Team, row))


async def team_corrections(database: Database, caller: Identity, team_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the team. Raises as `read_team` does."""
    await read_team(database, caller, team_id)
    return await corrections_of(database, team_id)


def team_out(team: Team) -> TeamOut:
    """The team as it is shown."""
    return TeamOut.model_validate(
        {
            **values_of(team),
            "hamlets": msgspec.json.decode(team.hamlets),
            "decision": decision_of(team, "decision"),
            "dissolution": decision_of(team, "dissolution"),
            "placement": decision_of(team, "placement"),
        }
    )
