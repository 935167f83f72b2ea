"""What was entered wrongly is set right or withdrawn, with a reason; who did it, when and why is kept for ever."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from services.teams.errors import RecordWithdrawn
from services.teams.teams.models import TeamsModel
from shared.auth import Identity
from shared.database import Database, Row
from shared.days import now
from shared.http import Input
from shared.outbox import UnitOfWork
from shared.text import Line


class Correction(TeamsModel, table=True):
    """One correction or withdrawal. `changed`: for each column what it said before and what it says now."""

    __tablename__ = "corrections"
    id: UUID = Field(primary_key=True)
    # The record: a team, a member's term, a member, a training class or a certificate.
    of: str
    record_id: UUID
    command: str
    reason: str
    changed: dict[str, Any] = Field(sa_type=JSONB)
    made_by: str
    made_at: datetime = Field(sa_type=DateTime(timezone=True))


class Withdraw(Input):
    """Why the record should never have been entered: twice, for the wrong person, for what did not happen."""

    reason: Line


Reason = Annotated[Line, Field(description="What was wrong, and where that is known from.")]


class CorrectionOut(BaseModel):
    """One correction or withdrawal; `changed` holds for each field what it said before and what it says since."""

    of: Literal["team", "term", "member", "class", "certificate"]
    record_id: UUID
    command: Literal["correct", "withdraw"]
    reason: str
    changed: dict[str, Any]
    made_by: str
    made_at: AwareDatetime


def require_not_withdrawn(record: Row) -> None:
    """Raise RecordWithdrawn for a record that was withdrawn; it takes no further change."""
    if record["withdrawn_at"] is not None:
        raise RecordWithdrawn(id=record["id"])


def set_right(
    work: UnitOfWork,
    caller: Identity,
    of: Literal["team", "term", "member", "class", "certificate"],
    model: type[SQLModel],
    row: Row,
    reason: str,
    **values: Any,
) -> Row:
    """The record with what was entered wrongly set right; what it said before is kept beside the reason."""
    changed = {name: value for name, value in values.items() if row[name] != value}
    after = work.change(model, row, **changed)
    _keep(work, caller, of, row["id"], "correct", reason, {n: [_plain(row[n]), _plain(v)] for n, v in changed.items()})
    return after


def withdraw(
    work: UnitOfWork,
    caller: Identity,
    of: Literal["team", "term", "member", "class"],
    model: type[SQLModel],
    row: Row,
    reason: str,
) -> Row:
    """The record as one that should never have been entered: it counts nothing and takes no further change."""
    after = work.change(model, row, withdrawn_at=now())
    _keep(work, caller, of, row["id"], "withdraw", reason, {})
    return after


async def corrections_of(database: Database, *records: UUID) -> list[CorrectionOut]:
    """All that was corrected of these records, oldest first."""
    rows = await database.fetch("SELECT * FROM corrections WHERE record_id = ANY($1) ORDER BY id", list(records))
    return [CorrectionOut.model_validate(dict(row)) for row in rows]


def _keep(
    work: UnitOfWork, caller: Identity, of: str, record_id: UUID, command: str, reason: str, changed: dict[str, Any]
) -> None:
    work.add(
        Correction,
        id=uuid7(),
        of=of,
        record_id=record_id,
        command=command,
        reason=reason,
        changed=changed,
        made_by=caller.subject,
        made_at=now(),
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date | UUID) else value
