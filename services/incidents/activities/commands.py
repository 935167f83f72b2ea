"""The verbs of activities: enter one, confirm it, return it, correct it. Only confirmed ones are counted."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.incidents import known_teams
from services.incidents.activities.kinds import KINDS, EnterActivity, Mobilisation
from services.incidents.activities.models import Activity, ActivityStep
from services.incidents.activities.schemas import ActivityOut, CorrectActivity
from services.incidents.activities.workflow import (
    BEGINS,
    BEGINS_CONFIRMED,
    CORRECT_BY_SYSTEM,
    CORRECT_BY_TEAM,
    SEEN,
    STEPS,
    confirm_by,
)
from shared import events, references, units
from shared.access import Identity
from shared.days import day_of, now
from shared.errors import UnitNotInForce, UnknownUnit, invalid
from shared.events.incidents import ActivityState
from shared.jurisdiction import area as area_of
from shared.outbox import UnitOfWork
from shared.outbox.rows import values_of
from shared.validity import require_not_future, require_past, require_unit
from shared.workflow import Transition, load_seen, record_step, require_may_step

# What of an activity its row keeps in columns; what else it says stands in `details`.
_COLUMNS = {"kind", "unit", "team_id", "started_at", "ended_at", "turns", "reference"}


class EnteredColumns(NamedTuple):
    """The columns of an activity that its entry gives."""

    unit: str
    team_id: UUID | None
    started_at: datetime
    ended_at: datetime
    held_on: date
    turns: int
    details: dict[str, Any]


async def enter_activity(work: UnitOfWork, caller: Identity, activity: EnterActivity) -> ActivityOut:
    """Enter an activity. Raises for a place or a time that cannot be, a foreign area, or a team that no event has named."""
    return ActivityOut.of(await enter(work, caller, activity))


async def enter(work: UnitOfWork, caller: Identity, activity: EnterActivity) -> Activity:
    """What `enter_activity` does, for who needs no answer but the row: an import."""
    values = await _decide(work, caller, activity)
    await references.require_new(work, Activity, caller.subject, activity.reference)
    state = BEGINS.get(caller.role, BEGINS_CONFIRMED)
    entered_at = now() if state == "entered" else None
    row = work.add(
        Activity,
        id=uuid7(),
        kind=activity.kind,
        unit=values.unit,
        team_id=values.team_id,
        started_at=values.started_at,
        ended_at=values.ended_at,
        held_on=values.held_on,
        turns=values.turns,
        details=values.details,
        state=state,
        source_system=caller.subject if activity.reference else None,
        reference=activity.reference,
        entered_at=entered_at,
        confirm_by=confirm_by(entered_at) if entered_at else None,
        recorded_by=caller.subject,
    )
    work.emit("ActivityEntered", row.id, None, fact(row), team_id=row.team_id)
    return row


async def confirm_activity(work: UnitOfWork, caller: Identity, activity_id: UUID, reason: str | None) -> ActivityOut:
    """Confirm what a team entered; from now on it counts. Raises StepNotAllowed unless it is `entered`."""
    return await _take_step(work, caller, activity_id, "confirm", reason)


async def return_activity(work: UnitOfWork, caller: Identity, activity_id: UUID, reason: str) -> ActivityOut:
    """Give it back to who entered it; it does not count until it is corrected and confirmed."""
    return await _take_step(work, caller, activity_id, "return", reason)


async def correct_activity(
    work: UnitOfWork, caller: Identity, activity_id: UUID, correction: CorrectActivity
) -> ActivityOut:
    """Put the activity as it should have been in the place of what was entered; its kind stays.

    A team corrects what the police have not confirmed, and it waits for them again; what the police
    correct is confirmed, and the counters move from the old unit and day to the new.
    """
    may = STEPS["correct"].may if caller.may(STEPS["correct"].may) else CORRECT_BY_TEAM.may
    before = await load_seen(work, caller, Activity, activity_id, SEEN, may)
    step = CORRECT_BY_TEAM if caller.role == "team_leader" else STEPS["correct"]
    if caller.role == "system" and before.source_system == caller.subject:
        step = CORRECT_BY_SYSTEM
    require_may_step(caller, before, "correct", step, correction.reason)
    if correction.activity.kind != before.kind:
        raise invalid("activity.kind", "kind-stays", "return this one and enter another of the right kind")
    values = await _decide(work, caller, correction.activity)
    return _record(work, caller, before, "correct", step, correction.reason, values)


async def _take_step(
    work: UnitOfWork, caller: Identity, activity_id: UUID, command: str, reason: str | None
) -> ActivityOut:
    before = await load_seen(work, caller, Activity, activity_id, SEEN, STEPS[command].may)
    require_may_step(caller, before, command, STEPS[command], reason)
    return _record(work, caller, before, command, STEPS[command], reason)


async def _decide(work: UnitOfWork, caller: Identity, activity: EnterActivity) -> EnteredColumns:
    """The columns that an entry gives, once it is sure that it can be and that the caller may say so."""
    held_on = day_of(activity.started_at)
    require_unit(activity.unit, held_on)
    team_id = _team_of(caller, activity)
    caller.require("enter_activity", activity.unit, str(team_id) if team_id else None)
    if activity.ended_at < activity.started_at:
        raise invalid("ended_at", "before-start", "it cannot end before it starts")
    longest = KINDS[activity.kind].longest
    if activity.ended_at - activity.started_at > longest:
        raise invalid("ended_at", "too-long", f"this kind of activity lasts at most {longest.days} days")
    require_past(activity.ended_at)
    if isinstance(activity, Mobilisation):
        _require_sent_out(activity, held_on)
    if team_id is not None:
        await known_teams.require(work, team_id, activity.unit)
    return _columns(activity, team_id)


def says_the_same(caller: Identity, known: Activity, activity: EnterActivity) -> bool:
    """Whether entering this would only repeat what a row of activities says."""
    given = _columns(activity, _team_of(caller, activity))
    return known.kind == activity.kind and all(getattr(known, name) == value for name, value in given._asdict().items())


def _team_of(caller: Identity, activity: EnterActivity) -> UUID | None:
    return activity.team_id or (UUID(caller.team) if caller.role == "team_leader" else None)


def _columns(activity: EnterActivity, team_id: UUID | None) -> EnteredColumns:
    return EnteredColumns(
        unit=activity.unit,
        team_id=team_id,
        started_at=activity.started_at,
        ended_at=activity.ended_at,
        held_on=day_of(activity.started_at),
        turns=getattr(activity, "turns", 0),
        details=activity.model_dump(mode="json", exclude=_COLUMNS, exclude_none=True),
    )


def _require_sent_out(activity: Mobilisation, held_on: date) -> None:
    """Raise unless the order is of today or before, and sends to a unit of that day's edition outside the own one."""
    require_not_future(activity.order.signed_on)
    if units.get(activity.sent_to) is None:
        raise UnknownUnit(unit=activity.sent_to)
    if units.edition_of(activity.sent_to) != units.edition_on(held_on):
        raise UnitNotInForce(unit=activity.sent_to, day=held_on, edition=units.edition_on(held_on))
    if activity.sent_to in area_of(activity.unit):
        raise invalid("sent_to", "own-area", "a mobilisation sends a team outside its own area")


def _record(
    work: UnitOfWork,
    caller: Identity,
    before: Activity,
    command: str,
    step: Transition[ActivityState],
    reason: str | None,
    entry: EnteredColumns | None = None,
) -> ActivityOut:
    after = work.change(before, entry._asdict() if entry else None)
    after.state = step.to or before.state
    # What a team entered waits anew when the team hands it in, and no more once it is confirmed.
    if after.state == "entered":
        after.entered_at, after.confirmed_at = now(), None
        after.confirm_by = confirm_by(after.entered_at)
    elif before.entered_at is not None and before.state != after.state:
        after.confirmed_at = now() if after.state == "confirmed" else None
    record_step(work, caller, ActivityStep, command, before, after, reason, activity_id=before.id)
    work.emit(step.event, before.id, fact(before), fact(after), team_id=after.team_id)
    return ActivityOut.of(after)


def fact(activity: Activity) -> events.Activity:
    """What of an activity may be counted: whatever it has under the name of a field of the fact."""
    times = {
        f"{what}_on": day_of(at)
        for what, at in (("entered", activity.entered_at), ("confirmed", activity.confirmed_at))
        if at is not None
    }
    return msgspec.convert({**activity.details, **values_of(activity), **times}, events.Activity)
