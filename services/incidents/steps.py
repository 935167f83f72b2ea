"""What tips, cases and activities share: the row that describes a step, the check before it, and the record of it."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field
from uuid_utils.compat import uuid7

from services.incidents.models import IncidentsModel
from shared import units
from shared.auth import Identity
from shared.database import Row
from shared.days import now
from shared.errors import InvalidInput, StepNotAllowed
from shared.outbox import UnitOfWork


class Step(NamedTuple):
    """One step: the states it starts from, the state it leads to (None: it stays), who may, and the event it emits."""

    of: tuple[str, ...]
    to: str | None
    may: str
    event: str
    needs_reason: bool = False


def also_concerned(*as_it_was_and_is: Row) -> tuple[str, ...]:
    """The units beside its own whose police handle a record, or are asked to; of a case or an activity there are none."""
    named = {row[name] for row in as_it_was_and_is for name in ("handled_by", "forwarded_to") if row.get(name)}
    others = named.difference(row["unit"] for row in as_it_was_and_is)
    return tuple(sorted(unit for unit in others if units.get(unit) is not None))


class StepTaken(IncidentsModel):
    """The columns of a table of steps: who did what, when and why."""

    id: UUID = Field(primary_key=True)
    command: str
    state_before: str
    state_after: str
    reason: str | None = None
    # What the step was given beside its reason: a class, an officer, a decision; plain JSON values.
    details: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    taken_by: str
    taken_at: datetime = Field(sa_type=DateTime(timezone=True))


class StepOut(BaseModel):
    """One step that a record has taken."""

    command: str
    state_before: str
    state_after: str
    reason: str | None
    details: dict[str, Any] | None
    taken_by: str
    taken_at: AwareDatetime


def require_may_step(caller: Identity, record: Row, command: str, step: Step, reason: str | None) -> None:
    """Raise unless the caller may take this step, the record's state leads there, and a needed reason is given."""
    team_id = record.get("team_id")
    caller.require(step.may, record.get("handled_by") or record["unit"], str(team_id) if team_id else None)
    if record["state"] not in step.of:
        raise StepNotAllowed(state=record["state"], step=command, allowed_from=step.of)
    if step.needs_reason and not reason:
        raise invalid("reason", "missing", "this step needs a reason")


def record_step(
    work: UnitOfWork,
    caller: Identity,
    table: type[StepTaken],
    command: str,
    before: Row,
    after: Row,
    reason: str | None,
    details: dict[str, Any] | None = None,
    **record_id: UUID,
) -> None:
    """Keep that the caller took this step, now, for this reason, and with what was given to it."""
    work.add(
        table,
        id=uuid7(),
        command=command,
        state_before=before["state"],
        state_after=after["state"],
        reason=reason,
        details=details or None,
        taken_by=caller.subject,
        taken_at=now(),
        **record_id,
    )


def invalid(at: str, code: str, message: str) -> InvalidInput:
    """The problem of one field that contradicts another or the record."""
    return InvalidInput(errors=[{"at": at, "code": code, "message": message}])
