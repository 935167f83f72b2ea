"""What was entered wrongly is set right or withdrawn, with a reason; who did it, when and why is kept for ever."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import AwareDatetime
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field
from uuid_utils.compat import uuid7

from services.teams.errors import RecordWithdrawn
from services.teams.tables.teams import TeamsModel
from shared.access import Identity
from shared.database import Database
from shared.days import now
from shared.http import Input, Output
from shared.outbox import UnitOfWork, instant, word
from shared.outbox.rows import RowT, values_of
from shared.text import Line

Of = Literal["team", "term", "member", "class", "certificate"]
Command = Literal["correct", "withdraw"]


class Correction(TeamsModel, table=True):
    """One correction or withdrawal. `changed`: for each column what it said before and what it says now."""

    __tablename__ = "corrections"
    id: UUID = Field(primary_key=True)
    # The record: a team, a member's term, a member, a training class or a certificate.
    of: Of = word()
    record_id: UUID
    command: Command = word()
    reason: str
    changed: dict[str, Any] = Field(sa_type=JSONB)
    made_by: str
    made_at: datetime = instant()

    __table_args__ = (Index("corrections_by_record", "record_id", "id"),)


class Withdraw(Input):
    """Why the record should never have been entered: twice, for the wrong person, for what did not happen."""

    reason: Line


Reason = Annotated[Line, Field(description="What was wrong, and where that is known from.")]


class CorrectionOut(Output):
    """One correction or withdrawal; `changed` holds for each field what it said before and what it says since."""

    of: Of
    record_id: UUID
    command: Command
    reason: str
    changed: dict[str, Any]
    made_by: str
    made_at: AwareDatetime


class Withdrawable(Protocol):
    """A record that may have been withdrawn."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def withdrawn_at(self) -> datetime | None:
        """When it was withdrawn."""


def require_not_withdrawn(record: Withdrawable) -> None:
    """Raise RecordWithdrawn for a record that was withdrawn; it takes no further change."""
    if record.withdrawn_at is not None:
        raise RecordWithdrawn(id=record.id)


def set_right(work: UnitOfWork, caller: Identity, of: Of, row: RowT, reason: str, values: Mapping[str, object]) -> RowT:
    """The record with what was entered wrongly set right; what it said before is kept beside the reason."""
    said = values_of(row)
    different = {name: value for name, value in values.items() if said[name] != value}
    kept = {name: [_plain(said[name]), _plain(value)] for name, value in different.items()}
    _keep(work, caller, of, said["id"], "correct", reason, kept)
    return work.change(row, different)


def withdraw(work: UnitOfWork, caller: Identity, of: Of, row: RowT, reason: str) -> RowT:
    """The record as one that should never have been entered: it counts nothing and takes no further change."""
    _keep(work, caller, of, values_of(row)["id"], "withdraw", reason, {})
    return work.change(row, {"withdrawn_at": now()})


async def corrections_of(database: Database, *records: UUID) -> list[CorrectionOut]:
    """All that was corrected of these records, oldest first."""
    rows = await database.fetch("SELECT * FROM corrections WHERE record_id = ANY($1) ORDER BY id", list(records))
    return [CorrectionOut.model_validate(dict(row)) for row in rows]


def _keep(
    work: UnitOfWork,
    caller: Identity,
    of: Of,
    record_id: UUID,
    command: Command,
    reason: str,
    changed: Mapping[str, object],
) -> None:
    work.add(
        Correction,
        id=uuid7(),
        of=of,
        record_id=record_id,
        command=command,
        reason=reason,
        changed=dict(changed),
        made_by=caller.subject,
        made_at=now(),
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, date | UUID) else value
