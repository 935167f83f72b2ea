"""How deadlines stand: reckoned anew at each step of their tip from its class, its handler and its instants.

A deadline is `running` until it is `met`, or until its end has passed, when a job says that it is `missed`; what is
done after that is `late`. One that its tip no longer has is `void`: the tip was withdrawn, merged or reclassified, or
closed before it was done by whoever must do it: what an agency has yet to acknowledge runs on. It is never paused.
A tip that stands again, reopened after its withdrawal or split, has its deadlines as it had them.
"""

from copy import copy
from datetime import datetime
from typing import NamedTuple

from uuid_utils.compat import uuid7

from services.incidents.deadlines.models import Deadline
from services.incidents.deadlines.rules import WantedDeadline, wanted
from services.incidents.tips.models import Tip
from services.incidents.tips.workflow import OPEN, STEPS
from shared import units
from shared.events.incidents import DeadlineState
from shared.outbox.rows import new_row

# Decisions that close a tip, which its reopening undoes: a deadline that they met begins anew.
CLOSING = ("resolve", "reject")


class DeadlineChange(NamedTuple):
    """A deadline before (None: it is new) and after a step."""

    before: Deadline | None
    after: Deadline


def reckon(
    before: Tip, tip: Tip, deadlines: list[Deadline], command: str, now: datetime, done_at: datetime
) -> list[DeadlineChange]:
    """What a step changes of a tip's deadlines; `done_at`: when what it records was done."""
    stood, stands = (of.state not in ("withdrawn", "merged") for of in (before, tip))
    anew = command == "reopen" and stood
    has = {d.name: d for d in wanted(tip.classified_as, tip.handled_by, tip.received_on)} if stands else {}
    if command == "forward" and units.get(tip.forwarded_to or "") is not None:
        # Another commune is asked to take it over; nobody was notified of what the law wants notified.
        command = ""
    current: dict[str, Deadline] = {}
    for deadline in sorted(deadlines, key=lambda deadline: deadline.round):
        current[deadline.name] = deadline
    reopened_at = max((d.starts_at for d in current.values() if d.round > 1), default=tip.received_at)
    changes = []
    for deadline in deadlines:
        if deadline is not current[deadline.name]:
            # An earlier round is over: it counts as it was met, as long as its tip stands.
            over = copy(deadline)
            over.state = _done(deadline) if stands and deadline.met_at else "void"
            changes.append(DeadlineChange(deadline, over))
        elif deadline.name not in has:
            void = copy(deadline)
            void.state, void.to_do = "void", False
            changes.append(DeadlineChange(deadline, void))
    for name, rule in has.items():
        known = current.get(name)
        if known is None:
            started = begun(tip, rule, 1, now if anew else reopened_at)
        elif anew and (known.state == "void" or known.met_by in CLOSING):
            started = begun(tip, rule, known.round + 1, now)
        else:
            as_it_is = copy(known)
            if stood:
                _correct(before, tip, as_it_is, rule, reopened_at)
            else:
                # Nothing of a tip changes while it does not stand; but what has passed by now is missed.
                as_it_is.state = "missed"
            _step(tip, as_it_is, rule, command, now, done_at)
            changes.append(DeadlineChange(known, as_it_is))
            continue
        _step(tip, started, rule, command, now, done_at)
        changes.append(DeadlineChange(None, started))
    return [change for change in changes if change.before != change.after]


def begun(tip: Tip, rule: WantedDeadline, round: int, at: datetime) -> Deadline:
    """A deadline of a tip as it begins."""
    return new_row(
        Deadline,
        id=uuid7(),
        tip_id=tip.id,
        name=rule.name,
        round=round,
        unit=tip.handled_by,
        handled_by=tip.handled_by,
        classified_as=tip.classified_as,
        difficult=rule.difficult,
        starts_at=at,
        due_at=rule.rule.after(at),
        complex=False,
        state="running",
        to_do=True,
    )


def due_at(deadline: Deadline, rule: WantedDeadline) -> datetime:
    """When it ends: by its rule, marked complex or not, or as it was extended."""
    time = rule.rule.complex if deadline.complex and rule.rule.complex else rule.rule
    ends: datetime = time.after(deadline.starts_at)
    return max(ends, deadline.extended_to or ends)


def _correct(before: Tip, tip: Tip, deadline: Deadline, rule: WantedDeadline, reopened_at: datetime) -> None:
    """Put the deadline by the tip's class, place and reception as they are now."""
    state = deadline.state
    deadline.classified_as, deadline.difficult = tip.classified_as, rule.difficult
    if state == "void" and deadline.met_at is None:
        deadline.starts_at = reopened_at
    elif deadline.round == 1:
        deadline.starts_at = tip.received_at
    deadline.due_at = due_at(deadline, rule)
    deadline.handled_by = tip.handled_by
    if state in ("running", "void") or (before.unit != tip.unit and deadline.unit == before.unit):
        deadline.unit = tip.handled_by


def _step(tip: Tip, deadline: Deadline, rule: WantedDeadline, command: str, now: datetime, done_at: datetime) -> None:
    """Put the deadline as it is after a step, which may be the one that meets it."""
    if deadline.met_at is None and command in rule.met_by:
        deadline.met_at, deadline.met_by = max(done_at, deadline.starts_at), command
    may_be_met = _may_be_met(tip, rule)
    if deadline.met_at is not None:
        deadline.state = _done(deadline)
    elif not (deadline.state == "missed" and deadline.due_at < now):
        deadline.state = "running" if may_be_met else "void"
    deadline.to_do = may_be_met and deadline.state in ("running", "missed")


def _may_be_met(tip: Tip, rule: WantedDeadline) -> bool:
    """Whether the tip is open, or closed only by notifying that an agency has it, who may still do what is due."""
    with_agency = tip.outcome is None and units.get(tip.forwarded_to or "") is None
    return tip.state in OPEN or (with_agency and any(tip.state in STEPS[step].of for step in rule.met_by))


def _done(deadline: Deadline) -> DeadlineState:
    assert deadline.met_at is not None
    return "met" if deadline.met_at <= deadline.due_at else "late"
