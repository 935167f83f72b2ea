"""The verbs of tips: report one, and take it through the steps of its workflow."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents import known_teams
from services.incidents.places.lookup import lies_elsewhere, locate
from services.incidents.tips import reading
from services.incidents.tips.following import follows
from services.incidents.tips.informants import readable, seal, unseal
from services.incidents.tips.models import Informant, InformantLook, Tip, TipMessage, TipStep
from services.incidents.tips.receipts import receipt_hash, receipt_of, tip_of_receipt
from services.incidents.tips.schemas import (
    AcknowledgeForwarding,
    CorrectTip,
    ForwardTip,
    HasDuplicates,
    InformantOut,
    MessageOut,
    ReportTip,
    TipOut,
    TipReceived,
    TooManyMessages,
    WriteByReceipt,
)
from services.incidents.tips.workflow import CORRECT_BY_SENDER, SEEN, STEPS, WRITE, also_concerned
from shared import events, references, units
from shared.access import Identity
from shared.days import day_of, now, today
from shared.errors import DayInTheFuture, NotFound, StepNotAllowed, UnitNotServed, UnknownUnit, invalid
from shared.events.incidents import Channel
from shared.http import LeftOut
from shared.outbox import UnitOfWork
from shared.validity import require_past, require_unit, served
from shared.workflow import is_seen, load_seen, look_up_seen, record_step, require_may_step

# What the sender of a tip may write to it; more is for a conversation, and each moves the tip on.
MOST_MESSAGES = 100
# Where a tip goes when its forwarding names nobody: the Criminal Procedure Code, art. 145.
INVESTIGATION_BODY = "Cơ quan Cảnh sát điều tra"

DEFAULT_CHANNEL: dict[str, Channel] = {"anyone": "web", "team_leader": "team", "system": "system"}
SUPPLIED_BY: dict[Channel, events.incidents.SuppliedBy] = {
    "web": "citizen",
    "app": "citizen",
    "hotline": "citizen",
    "in_person": "citizen",
    "team": "team",
    "officer": "officer",
    "system": "system",
}


async def report_tip(work: UnitOfWork, caller: Identity, tip: ReportTip) -> TipReceived:
    """Receive a tip. Raises for a place or a time that cannot be, a foreign area, a team that is not known, or a reference
    that its system has given before."""
    received_at = tip.received_at or now()
    received_on = day_of(received_at)
    unit = await _unit_of(work, tip, received_on)
    require_unit(unit, received_on)
    channel = tip.channel or DEFAULT_CHANNEL.get(caller.role, "officer")
    team_id = tip.team_id or (UUID(caller.team) if caller.role == "team_leader" else None)
    supplied_by = "team" if team_id else SUPPLIED_BY[channel]
    _require_may_report(caller, tip, unit, supplied_by, team_id)
    require_past(tip.received_at, tip.occurred_at)
    if team_id is not None:
        await known_teams.require(work, team_id, unit)
    await references.require_new(work, Tip, caller.subject, tip.reference)
    id = uuid7()
    receipt = receipt_of(id)
    row = work.add(
        Tip,
        id=id,
        unit=unit,
        hamlet=tip.hamlet,
        longitude=tip.point.longitude if tip.point else None,
        latitude=tip.point.latitude if tip.point else None,
        content=tip.content,
        topic=tip.topic,
        channel=channel,
        supplied_by=supplied_by,
        named=tip.informant is not None,
        source_system=caller.subject if tip.reference else None,
        reference=tip.reference,
        team_id=team_id,
        state="received",
        handled_by=unit,
        occurred_at=tip.occurred_at,
        received_at=received_at,
        received_on=received_on,
        receipt_hash=receipt_hash(receipt),
        recorded_by=caller.subject,
        version=1,
    )
    left_out: list[LeftOut] = []
    if tip.informant is not None:
        informant, left_out = readable(tip.informant)
        work.add(Informant, tip_id=id, sealed=seal(id, informant))
    work.emit("TipReceived", id, None, fact(row), team_id=team_id)
    for room in follows():
        room.on_received(work, row)
    return TipReceived.model_construct(
        id=id, receipt=receipt, unit=unit, state="received", received_at=received_at, left_out=left_out
    )


async def _unit_of(work: UnitOfWork, tip: ReportTip, day: date) -> str:
    if tip.unit is not None and tip.hamlet is None:
        return tip.unit
    longitude, latitude = (tip.point.longitude, tip.point.latitude) if tip.point else (None, None)
    return await locate(work.database, day, tip.unit, tip.hamlet, longitude, latitude)


def _require_may_report(caller: Identity, tip: ReportTip, unit: str, supplied_by: str, team_id: UUID | None) -> None:
    team = str(team_id) if team_id else None
    caller.require("report_tip", unit, team)
    if tip.received_at is not None:
        caller.require("date_tip", unit)
    if caller.role == "anyone" and (supplied_by != "citizen" or tip.reference is not None):
        # Only who is known may say that a team, an officer or a system supplied it, or give it a reference.
        caller.require("pass_on_tip", unit, team)
    if supplied_by == "team" and team_id is None:
        raise invalid("team_id", "missing", "a team's tip names the team")


async def _load(work: UnitOfWork, caller: Identity, tip_id: UUID, command: str, reason: str | None) -> Tip:
    """The tip, if it is the caller's to see and whoever handles it may take this step now."""
    tip = await load_seen(work, caller, Tip, tip_id, SEEN, STEPS[command].may)
    require_may_step(caller, tip, command, STEPS[command], reason, tip.handled_by)
    return tip


async def take_step(
    work: UnitOfWork, caller: Identity, tip_id: UUID, command: str, reason: str | None, **values: object
) -> TipOut:
    """Take a tip one step on, with the values that the step gives it. Raises StepNotAllowed where its state does not
    lead there."""
    tip = await _load(work, caller, tip_id, command, reason)
    return await _record_step(work, caller, tip, command, reason, values, values)


async def forward_tip(work: UnitOfWork, caller: Identity, tip_id: UUID, to: ForwardTip) -> TipOut:
    """Forward a tip to a commune of the province or to an agency; the tip says to whom, and waits for their answer."""
    if to.unit is not None and to.agency is not None:
        raise invalid("agency", "not-both", "a tip goes to a commune or to an agency, not to both")
    if to.unit is not None and to.unit not in served():
        raise UnknownUnit(unit=to.unit) if units.get(to.unit) is None else UnitNotServed(unit=to.unit)
    receiver = to.unit or to.agency or INVESTIGATION_BODY
    return await take_step(work, caller, tip_id, "forward", to.reason, forwarded_to=receiver)


async def acknowledge_forwarding(
    work: UnitOfWork, caller: Identity, tip_id: UUID, given: AcknowledgeForwarding
) -> TipOut:
    """Keep that the agency has received the tip, also after its informant was notified of that and nothing else.

    A commune takes it over instead.
    """
    tip = await _load(work, caller, tip_id, "acknowledge", given.reason)
    if tip.outcome is not None:
        raise StepNotAllowed(state=tip.state, step="acknowledge", allowed_from=("forwarded",))
    if units.get(tip.forwarded_to or "") is not None:
        raise invalid("tip", "forwarded-to-commune", "a commune takes a tip over, or sends it back")
    if given.received_on > today():
        raise DayInTheFuture(day=given.received_on)
    details = given.model_dump(mode="json", exclude={"reason"}, exclude_none=True)
    return await _record_step(work, caller, tip, "acknowledge", given.reason, {}, details, given.received_on)


async def answer_forwarding(
    work: UnitOfWork, caller: Identity, tip_id: UUID, command: str, reason: str | None
) -> TipOut:
    """As the commune to which a tip was forwarded, take it over or send it back."""
    tip = await load_seen(work, caller, Tip, tip_id, SEEN, STEPS[command].may)
    receiver = tip.forwarded_to or ""
    forwarded_to_commune = units.get(receiver) is not None
    unit = receiver if forwarded_to_commune else tip.handled_by
    require_may_step(caller, tip, command, STEPS[command], reason, unit)
    if command == "take_over" and not forwarded_to_commune:
        raise invalid("tip", "forwarded-to-agency", "an agency acknowledges a tip; only a commune takes it over")
    values = {"handled_by": receiver, "officer": None} if command == "take_over" else {}
    return await _record_step(work, caller, tip, command, reason, {**values, "forwarded_to": None}, values)


async def notify_informant(work: UnitOfWork, caller: Identity, tip_id: UUID, reason: str | None) -> TipOut:
    """Keep that the informant was notified of the outcome, or that an agency has the tip; not while a commune is asked."""
    tip = await _load(work, caller, tip_id, "notify", reason)
    if tip.state == "forwarded" and units.get(tip.forwarded_to or "") is not None:
        raise invalid("tip", "forwarded-to-commune", "the commune must first take the tip over, or send it back")
    return await _record_step(work, caller, tip, "notify", reason, {}, {})


async def merge_tip(work: UnitOfWork, caller: Identity, tip_id: UUID, into: UUID, reason: str | None) -> TipOut:
    """Close a tip as a duplicate of another, which must still stand; only the other counts."""
    tip = await _load(work, caller, tip_id, "merge", reason)
    if into == tip_id:
        raise invalid("into", "itself", "a tip is no duplicate of itself")
    other = await work.look_up(Tip, into)
    if other is None or not is_seen(caller, other, SEEN, "handle_tip"):
        raise invalid("into", "unknown-tip", "there is no such tip")
    caller.require("handle_tip", other.handled_by)
    if other.state in ("merged", "withdrawn"):
        raise invalid("into", "does-not-stand", f"that tip is {other.state}")
    # Its version moves too, so that two tips never become duplicates of each other.
    work.change(other)
    return await _record_step(work, caller, tip, "merge", reason, {"merged_into": into}, {"into": str(into)})


async def withdraw_tip(work: UnitOfWork, caller: Identity, tip_id: UUID, reason: str | None) -> TipOut:
    """Take a tip back. HasDuplicates while another is merged into it, which would neither count nor be handled."""
    tip = await _load(work, caller, tip_id, "withdraw", reason)
    duplicates = await work.database.fetch("SELECT id FROM tips WHERE merged_into = $1 ORDER BY id LIMIT 10", tip_id)
    if duplicates:
        raise HasDuplicates(tips=[duplicate["id"] for duplicate in duplicates])
    return await _record_step(work, caller, tip, "withdraw", reason, {}, {})


async def correct_tip(work: UnitOfWork, caller: Identity, tip_id: UUID, correction: CorrectTip) -> TipOut:
    """Set right what was entered wrongly; the counters of the old day and unit go down, those of the new go up.

    Whoever handles the tip may, also where another commune received it; to another unit they move it only in their area.
    A tip that moves without a hamlet forgets the old one, and its point where boundaries show it in yet another commune.
    """
    is_system = caller.role == "system"
    tip = await load_seen(work, caller, Tip, tip_id, SEEN, CORRECT_BY_SENDER.may if is_system else STEPS["correct"].may)
    step = CORRECT_BY_SENDER if is_system and tip.source_system == caller.subject else STEPS["correct"]
    require_may_step(caller, tip, "correct", step, correction.reason, tip.handled_by)
    values = correction.model_dump(exclude={"reason"}, exclude_none=True)
    # What a tip says is kept once, as it stands; that it was corrected, and which of its fields, is in each step.
    details: dict[str, object] = {name: None if name == "content" else str(value) for name, value in values.items()}
    values["received_on"] = day_of(correction.received_at or tip.received_at)
    unit: str = correction.unit or tip.unit
    if correction.hamlet is not None:
        unit = await locate(work.database, values["received_on"], correction.unit, correction.hamlet)
    values["unit"] = unit
    require_unit(unit, values["received_on"])
    if unit != tip.unit:
        caller.require(step.may, unit)
        forgotten = await _left_behind(work, tip, unit, values["received_on"])
        values, details = {**forgotten, **values}, {**forgotten, **details}
    if tip.handled_by == tip.unit:
        values["handled_by"] = unit
    require_past(correction.received_at, correction.occurred_at)
    if correction.team_id is not None:
        await known_teams.require(work, correction.team_id, unit)
        values["supplied_by"] = "team"
    return await _record_step(work, caller, tip, "correct", correction.reason, values, details)


async def _left_behind(work: UnitOfWork, tip: Tip, unit: str, day: date) -> dict[str, None]:
    """What of a tip's place does not go with it to another unit, emptied: its hamlet, and a point that lies elsewhere."""
    names = ["hamlet"] if tip.hamlet is not None else []
    longitude, latitude = tip.longitude, tip.latitude
    if (
        longitude is not None
        and latitude is not None
        and await lies_elsewhere(work.database, day, unit, longitude, latitude)
    ):
        names += ["longitude", "latitude"]
    return dict.fromkeys(names)


async def ask_informant(work: UnitOfWork, caller: Identity, tip_id: UUID, question: str) -> TipOut:
    """Put a question to the sender, who finds it with the receipt."""
    tip = await _load(work, caller, tip_id, "ask", None)
    message = _write(work, tip_id, "question", question, caller.subject)
    return await _record_step(work, caller, tip, "ask", None, {}, {"message": str(message.id)})


async def write_by_receipt(work: UnitOfWork, receipt: str, client: str, said: WriteByReceipt) -> MessageOut:
    """As the sender, add to a tip that is not closed, or answer a question. NotFound for a wrong receipt.

    A duplicate is as closed as the tip that it was merged into.
    """
    tip = await tip_of_receipt(work.database, receipt, client)
    stands = await reading.standing(work.database, tip)
    if stands.state not in WRITE.of:
        raise StepNotAllowed(state=stands.state, step="write", allowed_from=WRITE.of)
    written = await work.database.fetchrow(
        "SELECT count(*) AS messages FROM tip_messages WHERE tip_id = $1 AND kind <> 'question'", tip.id
    )
    if written is not None and written["messages"] >= MOST_MESSAGES:
        raise TooManyMessages(most=MOST_MESSAGES)
    if said.answers is not None:
        question = await work.database.fetchrow(
            """SELECT EXISTS (SELECT FROM tip_messages a WHERE a.answers = q.id) AS answered
            FROM tip_messages q WHERE q.id = $1 AND q.tip_id = $2 AND q.kind = 'question'""",
            said.answers,
            tip.id,
        )
        if question is None:
            raise invalid("answers", "unknown-question", "there is no such question")
        if question["answered"]:
            raise invalid("answers", "answered", "this question is answered; write an addition")
    kind = "answer" if said.answers else "addition"
    message = _write(work, tip.id, kind, said.content, "informant", said.answers)
    changed = work.change(tip)
    if stands.id != tip.id:
        # Its version moves too, so that nothing is written to what is being closed.
        work.change(stands)
    work.emit(WRITE.event, tip.id, fact(tip), fact(changed), also_concerned(changed))
    return MessageOut.model_validate(message)


def _write(
    work: UnitOfWork, tip_id: UUID, kind: str, content: str, written_by: str, answers: UUID | None = None
) -> TipMessage:
    return work.add(
        TipMessage,
        id=uuid7(),
        tip_id=tip_id,
        kind=kind,
        answers=answers,
        content=content,
        written_by=written_by,
        written_at=now(),
    )


async def look_at_informant(work: UnitOfWork, caller: Identity, tip_id: UUID, reason: str) -> InformantOut:
    """Who reported the tip; that the caller looked, and why, is kept first. NotFound for an anonymous tip."""
    tip = await look_up_seen(work, caller, Tip, tip_id, SEEN, "see_informant")
    caller.require("see_informant", tip.handled_by)
    kept = await work.database.fetchrow("SELECT sealed FROM informants WHERE tip_id = $1", tip_id)
    if kept is None:
        raise NotFound(id=tip_id)
    work.add(InformantLook, id=uuid7(), tip_id=tip_id, looked_by=caller.subject, looked_at=now(), reason=reason)
    return unseal(tip_id, kept["sealed"])


async def _record_step(
    work: UnitOfWork,
    caller: Identity,
    tip: Tip,
    command: str,
    reason: str | None,
    values: Mapping[str, object],
    details: Mapping[str, object],
    done_on: date | None = None,
) -> TipOut:
    step = STEPS[command]
    after = work.change(tip, values)
    after.state = step.to or tip.state
    if step.to == "resolved" or step.to == "rejected":
        after.outcome, after.closed_on = step.to, today()
    elif command in ("withdraw", "merge"):
        after.closed_on = today()
    elif command == "reopen":
        after.outcome = after.closed_on = None
    elif command == "split":
        after.merged_into = after.closed_on = None
    record_step(work, caller, TipStep, command, tip, after, reason, details, tip_id=tip.id)
    work.emit(step.event, tip.id, fact(tip), fact(after), also_concerned(tip, after), team_id=after.team_id)
    for room in follows():
        await room.on_step(work, tip, after, command, done_on)
    return TipOut.model_validate(after)


def fact(tip: Tip) -> events.Tip:
    """What of a tip may be counted."""
    return events.Tip(
        unit=tip.unit,
        received_on=tip.received_on,
        state=tip.state,
        supplied_by=tip.supplied_by,
        classified_as=tip.classified_as,
        outcome=tip.outcome,
        closed_on=tip.closed_on,
        channel=tip.channel,
        topic=tip.topic,
        named=tip.named,
    )
