"""What records that take steps share: the row that describes a step, the check before it, and the record of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field
from uuid_utils.compat import uuid7

from shared.access import Identity, Seen
from shared.days import now
from shared.errors import NotFound, StepNotAllowed, invalid
from shared.outbox import Declared, UnitOfWork, instant
from shared.outbox.rows import RowT

State = TypeVar("State", bound=str, covariant=True)


class Transition(NamedTuple, Generic[State]):
    """One step: the states it starts from, the state it leads to (None: it stays), who may, and the event it emits."""

    of: tuple[State, ...]
    to: State | None
    may: str
    event: str
    needs_reason: bool = False


class StatefulRecord(Protocol):
    """What every record that takes steps has."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def unit(self) -> str:
        """Where it counts."""

    @property
    def state(self) -> str:
        """Where it is in its workflow."""


class Stateful(Protocol):
    """What has a state that a step changes."""

    @property
    def state(self) -> str:
        """Where it is in its workflow."""


class StepTaken(Declared):
    """The columns of a table of steps: who did what, when and why."""

    id: UUID = Field(primary_key=True)
    command: str
    state_before: str
    state_after: str
    reason: str | None = None
    # What the step was given beside its reason: a class, an officer, a decision; plain JSON values.
    details: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    taken_by: str
    taken_at: datetime = instant()


class StepOut(BaseModel):
    """One step that a record has taken."""

    command: str
    state_before: str
    state_after: str
    reason: str | None
    details: dict[str, Any] | None
    taken_by: str
    taken_at: AwareDatetime


async def load_seen(work: UnitOfWork, caller: Identity, model: type[RowT], id: UUID, seen: Seen, action: str) -> RowT:
    """The record that a command is about, in one order for every command: the role, the record, whose it is, its version.

    NotFound, whatever the version, for one that the caller neither sees nor may do `action` to, as for one that is not
    there. Who sees it may still not do this: that is for the command to say, for only then it is no secret.
    """
    row = await look_up_seen(work, caller, model, id, seen, action)
    work.require_matched(row)
    return row


async def look_up_seen(
    work: UnitOfWork, caller: Identity, model: type[RowT], id: UUID, seen: Seen, action: str
) -> RowT:
    """The same, for a record that If-Match is not about."""
    caller.require_role(action)
    row = await work.look_up(model, id)
    if row is None or not is_seen(caller, row, seen, action):
        raise NotFound(id=id)
    return row


def is_seen(caller: Identity, row: object, seen: Seen, action: str) -> bool:
    """Whether the caller sees the record or may do `action` to it."""
    value = partial(getattr, row)
    return caller.sees(seen, value) or caller.sees(seen, value, action)


def require_may_step(
    caller: Identity,
    record: StatefulRecord,
    command: str,
    step: Transition[str],
    reason: str | None,
    unit: str | None = None,
) -> None:
    """Raise unless the caller may take this step, the record's state leads there, and a needed reason is given.

    `unit`: whose step it is, where that is another than the record's own unit.
    """
    team_id = getattr(record, "team_id", None)
    caller.require(step.may, unit or record.unit, str(team_id) if team_id else None)
    if record.state not in step.of:
        raise StepNotAllowed(state=record.state, step=command, allowed_from=step.of)
    if step.needs_reason and not reason:
        raise invalid("reason", "missing", "this step needs a reason")


def record_step(
    work: UnitOfWork,
    caller: Identity,
    steps: Callable[..., StepTaken],
    command: str,
    before: Stateful,
    after: Stateful,
    reason: str | None,
    details: Mapping[str, object] | None = None,
    **record_id: UUID,
) -> None:
    """Keep that the caller took this step, now, for this reason, and with what was given to it."""
    work.add(
        steps,
        id=uuid7(),
        command=command,
        state_before=before.state,
        state_after=after.state,
        reason=reason,
        details=dict(details) if details else None,
        taken_by=caller.subject,
        taken_at=now(),
        **record_id,
    )
