"""The verbs of tips: report one, and take it through the steps of its workflow."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents import known_teams
from services.incidents.steps import invalid, record_step, require_may_step
from services.incidents.tips.models import Tip, TipStep
from services.incidents.tips.receipts import receipt_hash, receipt_of
from services.incidents.tips.schemas import Channel, CorrectTip, ReportTip, TipOut, TipReceived
from services.incidents.tips.workflow import STEPS
from shared import events
from shared.auth import Identity
from shared.database import Row
from shared.days import day_of, now, today
from shared.outbox import UnitOfWork
from shared.places import require_past, require_place

DEFAULT_CHANNEL: dict[str, Channel] = {"anyone": "web", "team_leader": "team", "system": "system"}
SUPPLIED_BY: dict[Channel, events.SuppliedBy] = {
    "web": "citizen",
    "app": "citizen",
    "hotline": "citizen",
    "in_person": "citizen",
    "team": "team",
    "officer": "officer",
    "system": "system",
}


async def report_tip(work: UnitOfWork, caller: Identity, tip: ReportTip) -> TipReceived:
    """Receive a tip. Raises for a place or a time that cannot be, a foreign area, or a team nobody told of."""
    received_at = tip.received_at or now()
    received_on = day_of(received_at)
    require_place(tip.unit, received_on)
    channel = tip.channel or DEFAULT_CHANNEL.get(caller.role, "officer")
    team_id = tip.team_id or (UUID(caller.team) if caller.role == "team_leader" else None)
    supplied_by = "team" if team_id else SUPPLIED_BY[channel]
    _require_may_report(caller, tip, supplied_by, team_id)
    if tip.occurred_at is not None:
        require_past(tip.occurred_at)
    if team_id is not None:
        await known_teams.require(work, team_id, tip.unit)
    id = uuid7()
    receipt = receipt_of(id)
    row = work.add(
        Tip,
        id=id,
        unit=tip.unit,
        content=tip.content,
        topic=tip.topic,
        channel=channel,
        named=False,
        handled_by=tip.unit,
        supplied_by=supplied_by,
        team_id=team_id,
        state="received",
        occurred_at=tip.occurred_at,
        received_at=received_at,
        received_on=received_on,
        receipt_hash=receipt_hash(receipt),
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("TipReceived", id, None, fact(row), team_id=team_id)
    return TipReceived.model_construct(id=id, receipt=receipt, unit=tip.unit, state="received", received_at=received_at)


def _require_may_report(caller: Identity, tip: ReportTip, supplied_by: str, team_id: UUID | None) -> None:
    team = str(team_id) if team_id else None
    caller.require("report_tip", tip.unit, team)
    if tip.received_at is not None:
        caller.require("date_tip", tip.unit)
    if caller.role == "anyone" and supplied_by != "citizen":
        # Only who is known may say that a team, an officer or a system supplied it.
        caller.require("pass_on_tip", tip.unit, team)
    if supplied_by == "team" and team_id is None:
        raise invalid("team_id", "missing", "a team's tip names the team")


async def take_step(
    work: UnitOfWork, caller: Identity, tip_id: UUID, command: str, reason: str | None, **values: Any
) -> TipOut:
    """Take a tip one step on. Raises StepNotAllowed where its state does not lead there."""
    tip = await work.load(Tip, tip_id)
    step = STEPS[command]
    require_may_step(caller, tip, command, step, reason)
    if step.to is not None:
        values["state"] = step.to
    if step.to in ("resolved", "rejected"):
        values |= {"outcome": step.to, "closed_on": today()}
    elif command == "withdraw":
        values["closed_on"] = today()
    elif command == "reopen":
        values |= {"outcome": None, "closed_on": None}
    return _record_step(work, caller, tip, command, reason, values)


async def correct_tip(work: UnitOfWork, caller: Identity, tip_id: UUID, correction: CorrectTip) -> TipOut:
    """Set right what was entered wrongly; the counters of the old day and unit go down, those of the new go up."""
    tip = await work.load(Tip, tip_id)
    require_may_step(caller, tip, "correct", STEPS["correct"], correction.reason)
    values = correction.model_dump(exclude={"reason"}, exclude_none=True)
    values["received_on"] = day_of(correction.received_at or tip["received_at"])
    unit: str = correction.unit or tip["unit"]
    require_place(unit, values["received_on"])
    caller.require("handle_tip", unit)
    if correction.occurred_at is not None:
        require_past(correction.occurred_at)
    if correction.team_id is not None:
        await known_teams.require(work, correction.team_id, unit)
        values["supplied_by"] = "team"
    return _record_step(work, caller, tip, "correct", correction.reason, values)


def _record_step(work: UnitOfWork, caller: Identity, tip: Row, command: str, reason: str | None, values: Row) -> TipOut:
    changed = work.change(Tip, tip, **values)
    record_step(work, caller, TipStep, command, tip, changed, reason, tip_id=tip["id"])
    work.emit(STEPS[command].event, tip["id"], fact(tip), fact(changed), team_id=changed["team_id"])
    return TipOut.model_validate(changed)


def fact(tip: Row) -> events.Tip:
    """What of a tip may be counted."""
    return events.Tip(
        unit=tip["unit"],
        received_on=tip["received_on"],
        state=tip["state"],
        supplied_by=tip["supplied_by"],
        classified_as=tip.get("classified_as"),
        outcome=tip.get("outcome"),
        closed_on=tip.get("closed_on"),
    )
