"""The verbs of deadlines: begun and met by the steps of a tip, prolonged by officers, missed by the passing of time."""

import asyncio
from datetime import date, datetime, timedelta
from uuid import UUID

from services.incidents.deadlines.models import Deadline, DeadlineStep
from services.incidents.deadlines.rules import Rule, wanted
from services.incidents.deadlines.schemas import (
    DeadlineDecision,
    DeadlineOut,
    ExtendDeadline,
    MarkComplex,
    MeetDeadline,
    deadline_out,
)
from services.incidents.deadlines.workflow import begun, reckon
from services.incidents.tips.following import Follows
from services.incidents.tips.models import Tip
from services.incidents.tips.workflow import SEEN
from shared import events
from shared.access import Identity
from shared.days import day_of, now, today
from shared.errors import Changed, NotFound, Problem, StepNotAllowed, invalid
from shared.outbox import UnitOfWork, Writer, decide_and_commit, row_of
from shared.outbox.rows import changed
from shared.service import Service
from shared.validity import require_not_future, require_past
from shared.workflow import look_up_seen, record_step
from shared.working_days import end_of, end_on_working_day, last_day

# The instant before 24:00 is the last one of a day.
_INSTANT = timedelta(microseconds=1)
# So few at once, that a tip never waits long behind those that an outage has left.
_AT_ONCE = 200
# A look at the index of what is to do costs the database nothing; so nobody need wake the job.
_LOOK_SECONDS = 1


class NotProlongable(Problem):
    """`because`: its rule knows none of it (no-rule), only what is marked complex has it (only-complex), or it was done (once-only)."""

    status, name = 409, "deadline-not-prolongable"
    vi, en = "Thời hạn này không được gia hạn theo cách này.", "This deadline cannot be extended in this way."


def on_received(work: UnitOfWork, tip: Tip) -> None:
    """Begin the deadlines of a tip that comes in, not yet classified."""
    for rule in wanted(None, tip.handled_by, tip.received_on):
        work.put(begun(tip, rule, 1, tip.received_at))


async def on_step(work: UnitOfWork, before: Tip, after: Tip, command: str, done_on: date | None = None) -> None:
    """Reckon the deadlines of a tip anew after a step. `done_on`: the day on which what the step records was done."""
    rows = await work.database.fetch("SELECT * FROM deadlines WHERE tip_id = $1", after.id)
    at = now()
    done_at = at if done_on is None else min(at, end_of(done_on) - _INSTANT)
    for was, is_now in reckon(before, after, [row_of(Deadline, row) for row in rows], command, at, done_at):
        if was is None:
            work.put(is_now)
        else:
            work.replace(was, is_now)
        _emit_change(work, was, is_now)


def _emit_change(work: UnitOfWork, before: Deadline | None, after: Deadline) -> None:
    """Emit what a change means, once there is more to say than that a deadline runs.

    One that is done late was missed first, whether or not the job had time to say so.
    """
    was, is_now = fact(before) if before else None, fact(after)
    if after.state in ("met", "late") and (was is None or was.state not in ("met", "late")):
        if after.state == "late" and (was is None or was.state != "missed"):
            missed = fact(changed(after, {"state": "missed"}))
            _emit(work, "DeadlineMissed", after, was, missed)
            was = missed
        _emit(work, "DeadlineMet", after, was, is_now)
    elif was is not None and was != is_now and not {was.state, is_now.state} <= {"running", "void"}:
        newly_missed = is_now.state == "missed" and was.state != "missed"
        _emit(work, "DeadlineMissed" if newly_missed else "DeadlineChanged", after, was, is_now)


def _emit(
    work: UnitOfWork, type: str, deadline: Deadline, before: events.Deadline | None, after: events.Deadline
) -> None:
    work.emit(type, deadline.id, before, after, tip_id=deadline.tip_id)


# Deadlines begin, move and end in the unit of work of their tip.
FOLLOWS = Follows(on_received, on_step)


async def extend_deadline(
    work: UnitOfWork, caller: Identity, tip_id: UUID, name: str, given: ExtendDeadline
) -> DeadlineOut:
    """Put the end off, once, as its rule allows, by the decision given.

    The request must have been made so many days before the end as the rule asks; the decision may come after the end.
    """
    deadline, rule = await _load(work, caller, tip_id, name, "extend")
    extension = rule.extension
    if extension is None:
        raise NotProlongable(because="no-rule")
    if extension.only_complex and not deadline.complex:
        raise NotProlongable(because="only-complex")
    if deadline.extended_to is not None:
        raise NotProlongable(because="once-only")
    begun_on, ends_on = day_of(deadline.starts_at), last_day(deadline.due_at)
    requested_on = given.requested_on or today()
    require_not_future(requested_on)
    require_not_future(given.decision.signed_on)
    if requested_on < begun_on:
        raise invalid("requested_on", "before-beginning", f"the deadline began on {begun_on}")
    latest = ends_on - timedelta(days=extension.asked_days_before)
    if requested_on > latest:
        raise invalid("requested_on", "too-late", f"an extension had to be requested by {latest}")
    most = extension.after(deadline.due_at - _INSTANT)
    extended_to = most if given.until is None else end_on_working_day(given.until)
    if extended_to <= deadline.due_at:
        raise invalid("until", "not-later", f"the deadline ends on {ends_on}")
    if extended_to > most:
        raise invalid("until", "too-far", f"it can be extended until {last_day(most)} at most")
    after = _put_off(work, deadline, extended_to)
    after.extended_to = extended_to
    return _decided(work, caller, "extend", deadline, after, given, requested_on=requested_on.isoformat())


async def mark_complex(work: UnitOfWork, caller: Identity, tip_id: UUID, name: str, given: MarkComplex) -> DeadlineOut:
    """Give a complex tip the longer time that its rule has for it, counted from its beginning; before the end."""
    deadline, rule = await _load(work, caller, tip_id, name, "complex")
    if rule.complex is None:
        raise NotProlongable(because="no-rule")
    if deadline.complex:
        raise NotProlongable(because="once-only")
    if deadline.due_at < now():
        raise StepNotAllowed(state="missed", step="complex", allowed_from=("running",))
    if given.decision is not None:
        require_not_future(given.decision.signed_on)
    ends = rule.complex.after(deadline.starts_at)
    after = _put_off(work, deadline, max(ends, deadline.due_at))
    after.complex = True
    return _decided(work, caller, "complex", deadline, after, given)


async def meet_deadline(
    work: UnitOfWork, caller: Identity, tip_id: UUID, name: str, given: MeetDeadline
) -> DeadlineOut:
    """Keep that it was done otherwise than by a step of the tip: reported by telephone, handed over in person."""
    deadline, _ = await _load(work, caller, tip_id, name, "meet")
    met_at = given.met_at or now()
    require_past(met_at)
    if met_at < deadline.starts_at:
        raise invalid("met_at", "before-beginning", f"the deadline began at {deadline.starts_at.isoformat()}")
    after = work.change(deadline)
    after.met_at, after.met_by, after.to_do = met_at, "meet", False
    after.state = "met" if met_at <= deadline.due_at else "late"
    return _decided(work, caller, "meet", deadline, after, given, met_at=met_at.isoformat())


async def _load(work: UnitOfWork, caller: Identity, tip_id: UUID, name: str, step: str) -> tuple[Deadline, Rule]:
    """The deadline as it stands, still to be done, and its rule."""
    tip = await look_up_seen(work, caller, Tip, tip_id, SEEN, "handle_tip")
    caller.require("handle_tip", tip.handled_by)
    newest = await work.database.fetchrow(
        "SELECT id FROM deadlines WHERE tip_id = $1 AND name = $2 ORDER BY round DESC LIMIT 1", tip_id, name
    )
    if newest is None:
        raise NotFound(id=tip_id, name=name)
    deadline = await work.load(Deadline, newest["id"])
    has = {d.name: d.rule for d in wanted(tip.classified_as, tip.handled_by, tip.received_on)}
    if not deadline.to_do or name not in has:
        raise StepNotAllowed(state=deadline.state, step=step, allowed_from=("running", "missed"))
    return deadline, has[name]


def _put_off(work: UnitOfWork, deadline: Deadline, due_at: datetime) -> Deadline:
    """The deadline with a later end; one that was missed runs again if that end has not passed."""
    after = work.change(deadline)
    after.due_at = due_at
    after.state = "running" if due_at >= now() else deadline.state
    return after


def _decided(
    work: UnitOfWork,
    caller: Identity,
    command: str,
    before: Deadline,
    after: Deadline,
    given: DeadlineDecision,
    **details: str,
) -> DeadlineOut:
    decided = given.model_dump(mode="json", exclude={"reason"}, exclude_none=True) | details
    record_step(work, caller, DeadlineStep, command, before, after, given.reason, decided, deadline_id=before.id)
    if command == "meet":
        _emit_change(work, before, after)
    else:
        _emit(work, "DeadlineExtended", after, fact(before), fact(after))
    return deadline_out(after)


async def record_missed(service: Service) -> None:
    """Say of each deadline whose end has passed that it is missed, once and in the order of the ends; a job of incidents."""
    while True:
        if not await miss_passed(service.writer):
            await asyncio.sleep(_LOOK_SECONDS)


async def miss_passed(writer: Writer) -> bool:
    """Say so of the first of those that have passed, in one work, which keeps their order; whether there may be more.

    They are looked for again where another process has said it of one of them, or an officer has just done it.
    """

    async def decide(work: UnitOfWork) -> bool:
        passed = await work.database.fetch(
            """SELECT * FROM deadlines WHERE to_do AND state = 'running' AND due_at < $1 ORDER BY due_at, id LIMIT $2""",
            now(),
            _AT_ONCE,
        )
        for row in passed:
            deadline = row_of(Deadline, row)
            missed = work.change(deadline)
            missed.state = "missed"
            _emit(work, "DeadlineMissed", deadline, fact(deadline), fact(missed))
        return bool(passed)

    try:
        found, _ = await decide_and_commit(writer, decide)
    except Changed:
        # Others were first each time.
        return True
    return found


def fact(deadline: Deadline) -> events.Deadline:
    """What of a deadline may be counted."""
    return events.Deadline(
        unit=deadline.unit,
        name=deadline.name,
        due_on=last_day(deadline.due_at),
        state=deadline.state,
        classified_as=deadline.classified_as,
        difficult=deadline.difficult,
        complex=deadline.complex,
        extended=deadline.extended_to is not None,
    )
