"""What may be read of tips."""

from uuid import UUID

from services.incidents.steps import StepOut
from services.incidents.tips.receipts import receipt_hash
from services.incidents.tips.schemas import ListTips, TipOut, TipPage, TipStatus
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound


async def list_tips(database: Database, caller: Identity, query: ListTips) -> TipPage:
    """A page of the tips in the caller's reach."""
    team, area = caller.reach("read_tips", query.unit)
    rows = await database.fetch(
        """SELECT * FROM tips
        WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text[] IS NULL OR unit = ANY($2))
          AND ($3::uuid IS NULL OR team_id = $3) AND ($4::text IS NULL OR state = $4)
        ORDER BY id LIMIT $5""",
        query.after,
        area,
        team,
        query.state,
        query.limit,
    )
    return TipPage(items=[TipOut.model_validate(dict(row)) for row in rows])


async def read_tip(database: Database, caller: Identity, tip_id: UUID) -> TipOut:
    """One tip. NotFound without one, ForeignArea outside the caller's reach."""
    caller.require_role("read_tips")
    row = await database.fetchrow("SELECT * FROM tips WHERE id = $1", tip_id)
    if row is None:
        raise NotFound(id=tip_id)
    caller.require("read_tips", row["unit"], str(row["team_id"]) if row["team_id"] else None)
    return TipOut.model_validate(dict(row))


async def tip_steps(database: Database, caller: Identity, tip_id: UUID) -> list[StepOut]:
    """The tip's steps, oldest first."""
    await read_tip(database, caller, tip_id)
    rows = await database.fetch("SELECT * FROM tip_steps WHERE tip_id = $1 ORDER BY id", tip_id)
    return [StepOut.model_validate(dict(row)) for row in rows]


async def tip_by_receipt(database: Database, receipt: str) -> TipStatus:
    """The status for a receipt; a wrong one costs the same single look-up and says no more than NotFound."""
    row = await database.fetchrow(
        "SELECT state, received_at, closed_on FROM tips WHERE receipt_hash = $1", receipt_hash(receipt)
    )
    if row is None:
        raise NotFound()
    return TipStatus.model_validate(dict(row))
