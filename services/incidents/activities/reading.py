"""What may be read of activities."""

from uuid import UUID

from services.incidents.activities.schemas import ActivityOut, ActivityPage, ListActivities
from services.incidents.steps import StepOut
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound


async def list_activities(database: Database, caller: Identity, query: ListActivities) -> ActivityPage:
    """A page of the activities in the caller's reach."""
    team, area = caller.reach("read_records", query.unit)
    rows = await database.fetch(
        """SELECT * FROM activities
        WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text[] IS NULL OR unit = ANY($2))
          AND ($3::uuid IS NULL OR team_id = $3) AND ($4::text IS NULL OR kind = $4)
          AND ($5::text IS NULL OR state = $5)
        ORDER BY id LIMIT $6""",
        query.after,
        area,
        team,
        query.kind,
        query.state,
        query.limit,
    )
    return ActivityPage(items=[ActivityOut.of(dict(row)) for row in rows])


async def read_activity(database: Database, caller: Identity, activity_id: UUID) -> ActivityOut:
    """One activity. NotFound without one, ForeignArea outside the caller's reach."""
    caller.require_role("read_records")
    row = await database.fetchrow("SELECT * FROM activities WHERE id = $1", activity_id)
    if row is None:
        raise NotFound(id=activity_id)
    caller.require("read_records", row["unit"], str(row["team_id"]) if row["team_id"] else None)
    return ActivityOut.of(dict(row))


async def activity_steps(database: Database, caller: Identity, activity_id: UUID) -> list[StepOut]:
    """The activity's steps, oldest first."""
    await read_activity(database, caller, activity_id)
    rows = await database.fetch("SELECT * FROM activity_steps WHERE activity_id = $1 ORDER BY id", activity_id)
    return [StepOut.model_validate(dict(row)) for row in rows]
