"""What may be read of deadlines."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.incidents.deadlines.models import Deadline
from services.incidents.deadlines.schemas import (
    DeadlineOut,
    DeadlinePage,
    ListDeadlines,
    deadline_out,
    place_of,
    to_do_out,
)
from services.incidents.tips.reading import read_tip
from shared.days import now
from shared.errors import NotFound
from shared.http import Reader
from shared.outbox import row_of
from shared.workflow import StepOut

_ALWAYS = datetime.min.replace(tzinfo=UTC), UUID(int=0)
_NEVER = datetime.max.replace(tzinfo=UTC)


async def list_deadlines(reader: Reader, query: ListDeadlines) -> DeadlinePage:
    """A page of what is to be done in the caller's reach."""
    team, area = reader.caller.reach("read_tips", query.unit)
    at = now()
    after, until = _ALWAYS, _NEVER
    if query.state == "overdue":
        until = at
    elif query.state == "due_soon":
        # One that ends this very instant is not yet overdue.
        after, until = (at, UUID(int=0)), at + timedelta(hours=query.within_hours)
    if query.after is not None:
        after = max(after, place_of(query.after))
    rows = await reader.database.fetch(
        """SELECT d.*, t.state AS tip_state, t.topic, t.officer
        FROM deadlines d JOIN tips t ON t.id = d.tip_id
        WHERE d.to_do AND (d.due_at, d.id) > ($1, $2) AND d.due_at <= $3
          AND ($4::text[] IS NULL OR d.handled_by = ANY($4)) AND ($5::uuid IS NULL OR t.team_id = $5)
          AND ($6::text IS NULL OR d.name = $6) AND ($7::text IS NULL OR t.officer = $7)
        ORDER BY d.due_at, d.id LIMIT $8""",
        *after, until, area, team, query.name, query.officer, query.limit,
    )  # fmt: skip
    return DeadlinePage(items=[to_do_out(row, at) for row in rows])


def cursor(deadline: DeadlineOut) -> str:
    """Where the page behind this deadline begins."""
    return f"{deadline.due_at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{deadline.id}"


async def deadlines_of_tip(reader: Reader, tip_id: UUID) -> list[DeadlineOut]:
    """All deadlines of a tip, the first to end first. Raises as reading the tip does."""
    await read_tip(reader, tip_id)
    rows = await reader.database.fetch("SELECT * FROM deadlines WHERE tip_id = $1 ORDER BY due_at, id", tip_id)
    return [deadline_out(row_of(Deadline, row)) for row in rows]


async def deadline_steps(reader: Reader, tip_id: UUID, name: str) -> list[StepOut]:
    """What was decided about a tip's deadline, oldest first."""
    if name not in {deadline.name for deadline in await deadlines_of_tip(reader, tip_id)}:
        raise NotFound(id=tip_id, name=name)
    rows = await reader.database.fetch(
        """SELECT s.* FROM deadline_steps s JOIN deadlines d ON d.id = s.deadline_id
        WHERE d.tip_id = $1 AND d.name = $2 ORDER BY s.id""",
        tip_id,
        name,
    )
    return [StepOut.model_validate(dict(row)) for row in rows]
