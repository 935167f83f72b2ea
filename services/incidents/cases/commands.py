"""The verbs of cases: open one, link it to what it was found through, close it, reopen it, correct it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents.cases.models import Case, CaseLink, CaseStep
from services.incidents.cases.reading import links_of
from services.incidents.cases.schemas import (
    MEASURES,
    CaseOut,
    CorrectCase,
    Link,
    LinkCase,
    Linked,
    OpenCase,
    ReopenCase,
    ResolveCase,
    TransferCase,
    UnlinkCase,
    WhatWasDone,
    WithdrawCase,
    found_through,
)
from services.incidents.cases.workflow import SEEN, STEPS
from services.incidents.places.lookup import locate
from shared import events, references
from shared.access import Identity
from shared.days import now
from shared.decisions import Decision
from shared.errors import Problem, invalid
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import changed
from shared.validity import require_not_future, require_unit
from shared.workflow import load_seen, record_step, require_may_step


class UnknownTip(Problem):
    status, name = 422, "unknown-tip"
    vi, en = "Không có tin báo này.", "There is no such tip."


class UnknownPatrol(Problem):
    status, name = 422, "unknown-patrol"
    vi, en = "Không có cuộc tuần tra này.", "There is no such patrol."


class UnknownActivity(Problem):
    status, name = 422, "unknown-activity"
    vi, en = "Không có hoạt động khác tuần tra này.", "There is no such activity other than a patrol."


class AlreadyLinked(Problem):
    status, name = 409, "already-linked"
    vi, en = "Vụ việc đã được liên kết với bản ghi này.", "The case is linked to this already."


class NotLinked(Problem):
    status, name = 409, "not-linked"
    vi, en = "Vụ việc không được liên kết với bản ghi này.", "The case is not linked to this."


UNKNOWN: dict[str, type[Problem]] = {"tip": UnknownTip, "patrol": UnknownPatrol, "activity": UnknownActivity}
_NO_CLOSING: dict[str, object] = {"resolved_on": None, "transferred_on": None, "transferred_to": None}
_NO_DECISION: dict[str, object] = {"decision_number": None, "decision_on": None, "decision_signer": None}


async def open_case(work: UnitOfWork, caller: Identity, case: OpenCase) -> CaseOut:
    """Open a case. Raises for a place or a day that cannot be, a foreign area, or a link that leads nowhere."""
    unit = await locate(work.database, case.found_on, case.unit, case.hamlet)
    require_unit(unit, case.found_on)
    caller.require("handle_case", unit)
    links = case.all_links()
    if len({link.id for link in links}) < len(links):
        raise invalid("links", "repeated", "each record is linked once")
    kept = await _require_linked(work, links)
    await references.require_new(work, Case, caller.subject, case.reference)
    row = work.add(
        Case,
        id=uuid7(),
        unit=unit,
        hamlet=case.hamlet,
        place=case.place,
        kind=case.kind,
        found_on=case.found_on,
        details={"handled": [], "seized": [entry.model_dump(exclude_none=True) for entry in case.seized]},
        state="open",
        source_system=caller.subject if case.reference else None,
        reference=case.reference,
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("CaseOpened", row.id, None, fact(row, kept[:1]), **_named(links[:1]))
    for each in kept:
        _add_link(work, caller, row.id, each)
    # Each further link has an event of its own, as if it had been made later.
    for number in range(1, len(kept)):
        before, after = fact(row, kept[:number]), fact(row, kept[: number + 1])
        work.emit("CaseLinked", row.id, before, after, **_named([links[number]]))
    return CaseOut.of(row, kept)


async def resolve_case(work: UnitOfWork, caller: Identity, case_id: UUID, resolution: ResolveCase) -> CaseOut:
    """Close the case on the day it was resolved. Raises StepNotAllowed unless it is open."""
    before, links = await _load(work, caller, case_id, "resolve", resolution.reason)
    values = {"resolved_on": resolution.resolved_on, **_decided(resolution.decision)}
    return _take_step(work, caller, before, links, "resolve", resolution, values | _done(before, resolution, values))


async def transfer_case(work: UnitOfWork, caller: Identity, case_id: UUID, transfer: TransferCase) -> CaseOut:
    """Give the case to the body that decides on it, on that day. Raises StepNotAllowed unless it is open."""
    before, links = await _load(work, caller, case_id, "transfer", transfer.reason)
    values = {
        "transferred_on": transfer.transferred_on,
        "transferred_to": transfer.transferred_to,
        **_decided(transfer.decision),
    }
    return _take_step(work, caller, before, links, "transfer", transfer, values | _done(before, transfer, values))


async def reopen_case(work: UnitOfWork, caller: Identity, case_id: UUID, reopening: ReopenCase) -> CaseOut:
    """Take a case up again: it no longer counts as resolved or transferred; one that was withdrawn counts again.

    Persons who were handled stay handled, until a correction or the next closing says otherwise.
    """
    before, links = await _load(work, caller, case_id, "reopen", reopening.reason)
    values = {**_NO_CLOSING, **_decided(reopening.decision)}
    return _take_step(work, caller, before, links, "reopen", reopening, values)


async def withdraw_case(work: UnitOfWork, caller: Identity, case_id: UUID, withdrawal: WithdrawCase) -> CaseOut:
    """Take a case back that should not have been opened; nothing of it counts any longer."""
    before, links = await _load(work, caller, case_id, "withdraw", withdrawal.reason)
    return _take_step(work, caller, before, links, "withdraw", withdrawal, {**_NO_CLOSING, **_NO_DECISION})


async def correct_case(work: UnitOfWork, caller: Identity, case_id: UUID, correction: CorrectCase) -> CaseOut:
    """Set right what was entered wrongly; the counters of the old unit and day go down, those of the new go up."""
    before, links = await _load(work, caller, case_id, "correct", correction.reason)
    plain = {"unit", "hamlet", "place", "kind", "found_on", *_NO_CLOSING}
    values = correction.model_dump(include=plain, exclude_none=True)
    for name in sorted(_NO_CLOSING.keys() & values.keys()):
        if getattr(before, name) is None:
            raise invalid(name, "not-closed-so", "the case was not closed in this way")
    if correction.decision is not None:
        values |= correction.decision.columns("decision")
    values |= _done(before, correction, values)
    if correction.unit is not None and correction.hamlet is None:
        values["hamlet"] = None
    case = changed(before, values)
    values["unit"] = await locate(work.database, case.found_on, case.unit, case.hamlet)
    require_unit(values["unit"], case.found_on)
    caller.require(STEPS["correct"].may, values["unit"])
    return _take_step(work, caller, before, links, "correct", correction, values)


async def link_case(work: UnitOfWork, caller: Identity, case_id: UUID, link: LinkCase) -> CaseOut:
    """Record that the case was found through this as well, also once it is closed. AlreadyLinked when that is known.

    The linked record need only exist: tips and patrols of a neighbouring commune lead to cases here, and a link
    shows nothing of them.
    """
    before, links = await _load(work, caller, case_id, "link", link.reason)
    (kept,) = await _require_linked(work, [link])
    if any(known.id == link.id for known in links):
        raise AlreadyLinked(kind=link.kind, id=link.id)
    _add_link(work, caller, case_id, kept)
    return _take_step(work, caller, before, links, "link", link, {}, [*links, kept], [link])


async def unlink_case(work: UnitOfWork, caller: Identity, case_id: UUID, link: UnlinkCase) -> CaseOut:
    """Take a link back that was none, also once the case is closed. NotLinked when there is no such link."""
    before, links = await _load(work, caller, case_id, "unlink", link.reason)
    record = await work.database.fetchrow(
        "SELECT * FROM case_links WHERE case_id = $1 AND kind = $2 AND linked_id = $3 AND removed_at IS NULL",
        case_id,
        link.kind,
        link.id,
    )
    if record is None:
        raise NotLinked(kind=link.kind, id=link.id)
    removed = work.change(row_of(CaseLink, record))
    removed.removed_by, removed.removed_at = caller.subject, now()
    left = [known for known in links if known.id != link.id]
    return _take_step(work, caller, before, links, "unlink", link, {}, left, [link])


async def _load(
    work: UnitOfWork, caller: Identity, case_id: UUID, command: str, reason: str | None
) -> tuple[Case, list[Linked]]:
    """The case and its links, once it is sure that this step may be taken.

    The links are read after the case and change only together with its version, so whatever is decided on links
    newer than the case is decided again.
    """
    case = await load_seen(work, caller, Case, case_id, SEEN, STEPS[command].may)
    require_may_step(caller, case, command, STEPS[command], reason)
    links = await links_of(work.database, case_id)
    # A row of an import may have linked it in this work already.
    links += [
        Linked(new.kind, new.linked_id, new.by_force) for new in work.added_of(CaseLink) if new.case_id == case_id
    ]
    return case, links


def _take_step(
    work: UnitOfWork,
    caller: Identity,
    before: Case,
    links: Sequence[Linked],
    command: str,
    given: ResolveCase | TransferCase | ReopenCase | WithdrawCase | CorrectCase | LinkCase | UnlinkCase,
    values: Mapping[str, object],
    links_after: Sequence[Linked] | None = None,
    named: Sequence[Link] | None = None,
) -> CaseOut:
    """Change the case, keep the step, and emit it: `named` are the links that it is about, else the first of each kind."""
    step = STEPS[command]
    after = work.change(before, values)
    after.state = step.to or before.state
    _require_sound(after)
    details = given.model_dump(mode="json", exclude={"reason"}, exclude_none=True)
    record_step(work, caller, CaseStep, command, before, after, given.reason, details, case_id=before.id)
    leads_to = links if links_after is None else links_after
    about = named if named is not None else [Link(kind=link.kind, id=link.id) for link in leads_to]
    work.emit(step.event, before.id, fact(before, links), fact(after, leads_to), **_named(about))
    return CaseOut.of(after, leads_to)


def _decided(decision: Decision | None) -> dict[str, object]:
    return decision.columns("decision") if decision is not None else dict(_NO_DECISION)


def _done(before: Case, given: WhatWasDone, values: Mapping[str, object]) -> dict[str, object]:
    """The columns of what was done: as it stood, but for what is given."""
    details = dict(before.details)
    if given.seized is not None:
        details["seized"] = [entry.model_dump(exclude_none=True) for entry in given.seized]
    if given.handled is not None:
        details["handled"] = [entry.model_dump() for entry in given.handled]
    if not details["handled"]:
        if given.handled_on is not None:
            raise invalid("handled_on", "nobody", "nobody of this case was handled")
        return {"details": details, "handled_on": None}
    closed_on = values.get("resolved_on") or values.get("transferred_on") if given.handled is not None else None
    days = (given.handled_on, closed_on, before.handled_on, before.resolved_on, before.transferred_on)
    handled_on = next((day for day in days if day is not None), None)
    if handled_on is None:
        raise invalid("handled_on", "missing", "the case is not closed, so the day must be given")
    return {"details": details, "handled_on": handled_on}


def _require_sound(case: Case) -> None:
    """Raise unless a case's days follow each other, and its sanctions have their decision."""
    for name in ("resolved_on", "transferred_on", "handled_on"):
        if (day := getattr(case, name)) is not None:
            require_not_future(day)
            if day < case.found_on:
                raise invalid(name, "before-found", f"the case was found on {case.found_on}")
    sanctions = any(MEASURES[entry["measure"]].needs_decision for entry in case.details["handled"])
    if case.state == "resolved" and sanctions and case.decision_number is None:
        raise invalid("decision", "missing", "a sanction needs its decision (Law 15/2012/QH13, art. 67)")


async def _require_linked(work: UnitOfWork, links: Sequence[Link]) -> list[Linked]:
    """The links as a case keeps them: kind, id, and whether the force supplied the tip. Raises unless each leads to a
    record of its kind: at most one look-up."""
    if not links:
        return []
    rows = await work.database.fetch(
        """SELECT kind, id, CASE kind
          WHEN 'tip' THEN (SELECT t.supplied_by = 'team' FROM tips t WHERE t.id = wanted.id)
          ELSE (SELECT false FROM activities a WHERE a.id = wanted.id AND (a.kind = 'patrol') = (wanted.kind = 'patrol'))
        END AS by_force
        FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS wanted (kind, id, number) ORDER BY number""",
        [link.kind for link in links],
        [link.id for link in links],
    )
    for row in rows:
        if row["by_force"] is None:
            raise UNKNOWN[row["kind"]](**{f"{row['kind']}_id": row["id"]})
    return [Linked(**row) for row in rows]


def _add_link(work: UnitOfWork, caller: Identity, case_id: UUID, link: Linked) -> None:
    work.add(
        CaseLink,
        id=uuid7(),
        case_id=case_id,
        kind=link.kind,
        linked_id=link.id,
        by_force=link.by_force,
        linked_by=caller.subject,
        linked_at=now(),
        version=1,
    )


def _named(links: Sequence[Link]) -> dict[str, UUID]:
    """The first link of each kind, as events name it. CaseOpened, CaseLinked and CaseUnlinked name every one."""
    return {f"{link.kind}_id": link.id for link in reversed(links)}


def fact(case: Case, links: Sequence[Linked]) -> events.Case | None:
    """What of a case may be counted: nothing once it is withdrawn."""
    if case.state == "withdrawn":
        return None
    kinds = Counter(link.kind for link in links)
    seized: Counter[tuple[events.incidents.SeizedKind, events.incidents.SeizedUnit]] = Counter()
    for entry in case.details["seized"]:
        seized[entry["kind"], entry["unit"]] += entry["quantity"]
    return events.Case(
        unit=case.unit,
        kind=case.kind,
        found_on=case.found_on,
        found_through=found_through(links),
        resolved_on=case.resolved_on,
        tips=kinds["tip"],
        patrols=kinds["patrol"],
        activities=kinds["activity"],
        force_tips=sum(link.by_force for link in links),
        transferred_on=case.transferred_on,
        handled_on=case.handled_on,
        handled=tuple(
            events.Handled(**entry) for entry in sorted(case.details["handled"], key=lambda entry: entry["measure"])
        ),
        seized=tuple(events.Seized(kind, quantity, unit) for (kind, unit), quantity in sorted(seized.items())),
    )
