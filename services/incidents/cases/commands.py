"""The verbs of cases: open one, resolve it, reopen it, correct it."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents import references
from services.incidents.cases.models import Case, CaseStep
from services.incidents.cases.schemas import CaseOut, CorrectCase, OpenCase, ResolveCase, found_through
from services.incidents.cases.workflow import STEPS
from services.incidents.steps import invalid, record_step, require_may_step
from shared import events
from shared.auth import Identity
from shared.database import Row
from shared.days import today
from shared.errors import DayInTheFuture, Problem
from shared.outbox import UnitOfWork
from shared.places import require_place


class UnknownTip(Problem):
    status, name = 422, "unknown-tip"
    vi, en = "Không có tin báo này.", "There is no such tip."


class UnknownPatrol(Problem):
    status, name = 422, "unknown-patrol"
    vi, en = "Không có cuộc tuần tra này.", "There is no such patrol."


async def open_case(work: UnitOfWork, caller: Identity, case: OpenCase) -> CaseOut:
    """Open a case. Raises for a place or a day that cannot be, a foreign area, or a tip or patrol that is none."""
    require_place(case.unit, case.found_on)
    caller.require("handle_case", case.unit)
    await _require_links(work, case.tip_id, case.patrol_id)
    await references.require_new(work, Case, caller.subject, case.reference)
    row = work.add(
        Case,
        id=uuid7(),
        unit=case.unit,
        kind=case.kind,
        found_on=case.found_on,
        tip_id=case.tip_id,
        patrol_id=case.patrol_id,
        state="open",
        source_system=caller.subject if case.reference else None,
        reference=case.reference,
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("CaseOpened", row["id"], None, fact(row), tip_id=case.tip_id, patrol_id=case.patrol_id)
    return CaseOut.of(row)


async def resolve_case(work: UnitOfWork, caller: Identity, case_id: UUID, resolution: ResolveCase) -> CaseOut:
    """Close the case on the day it was resolved. Raises StepNotAllowed unless it is open."""
    values = {"state": "resolved", "resolved_on": resolution.resolved_on}
    return await _take_step(work, caller, case_id, "resolve", resolution.reason, values)


async def reopen_case(work: UnitOfWork, caller: Identity, case_id: UUID, reason: str) -> CaseOut:
    """Take a resolved case up again; it no longer counts as resolved."""
    return await _take_step(work, caller, case_id, "reopen", reason, {"state": "open", "resolved_on": None})


async def correct_case(work: UnitOfWork, caller: Identity, case_id: UUID, correction: CorrectCase) -> CaseOut:
    """Set right what was entered wrongly; the counters of the old unit and day go down, those of the new go up."""
    values = correction.model_dump(exclude={"reason"}, exclude_none=True)
    return await _take_step(work, caller, case_id, "correct", correction.reason, values)


async def _take_step(
    work: UnitOfWork, caller: Identity, case_id: UUID, command: str, reason: str | None, values: dict[str, Any]
) -> CaseOut:
    before = await work.load(Case, case_id)
    step = STEPS[command]
    require_may_step(caller, before, command, step, reason)
    after = work.change(Case, before, **values)
    if command == "correct":
        require_place(after["unit"], after["found_on"])
        caller.require(step.may, after["unit"])
    _require_days(after)
    record_step(work, caller, CaseStep, command, before, after, reason, case_id=case_id)
    work.emit(step.event, case_id, fact(before), fact(after), tip_id=after["tip_id"], patrol_id=after["patrol_id"])
    return CaseOut.of(after)


def _require_days(case: Row) -> None:
    resolved_on = case["resolved_on"]
    if resolved_on is None:
        return
    if resolved_on > today():
        raise DayInTheFuture(day=resolved_on)
    if resolved_on < case["found_on"]:
        raise invalid("resolved_on", "before-found", f"the case was found on {case['found_on']}")


async def _require_links(work: UnitOfWork, tip_id: UUID | None, patrol_id: UUID | None) -> None:
    """Raise unless what the case was found through exists: at most one look-up."""
    if tip_id is not None and patrol_id is not None:
        raise invalid("patrol_id", "not-both", "a case is found through a tip or a patrol, not both")
    if tip_id is not None and await work.database.fetchrow("SELECT 1 FROM tips WHERE id = $1", tip_id) is None:
        raise UnknownTip(tip_id=tip_id)
    if patrol_id is not None:
        patrol = await work.database.fetchrow("SELECT 1 FROM activities WHERE id = $1 AND kind = 'patrol'", patrol_id)
        if patrol is None:
            raise UnknownPatrol(patrol_id=patrol_id)


def fact(case: Row) -> events.Case:
    """What of a case may be counted."""
    return events.Case(
        unit=case["unit"],
        kind=case["kind"],
        found_on=case["found_on"],
        found_through=found_through(case),
        resolved_on=case.get("resolved_on"),
    )
