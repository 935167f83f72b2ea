"""How deadlines stand: reckoned anew at each step of their tip from its class, its handler and its instants.

A deadline is `running` until it is `met`, or until its end has passed, when a job says that it is `missed`; what is
done after that is `late`. One that its tip no longer has is `void`: the tip was withdrawn, merged or reclassified, or
closed before it was done by whoever must do it: what an agency has yet to acknowledge runs on. It is never paused.
A tip that stands again, reopened after its withdrawal or split, has its deadlines as it had them.
"""

from datetime import datetime
from typing import NamedTuple

from services.incidents.deadlines.rules import Wanted, wanted
from services.incidents.tips.workflow import OPEN, STEPS
from shared import units
from shared.database import Row
from shared.events import DeadlineState

# Decisions that close a tip, which its reopening undoes: a deadline that they met begins anew.
CLOSING = ("resolve", "reject")


class Change(NamedTuple):
    """A deadline before (None: it is new) and after a step."""

    before: Row | None
    after: Row


def reckon(before: Row, tip: Row, deadlines: list[Row], command: str, now: datetime, done_at: datetime) -> list[Change]:
    """What a step changes of a tip's deadlines; `done_at`: when what it records was done."""
    stood, stands = (of["state"] not in ("withdrawn", "merged") for of in (before, tip))
    anew = command == "reopen" and stood
    has = {d.name: d for d in wanted(tip["classified_as"], tip["handled_by"], tip["received_on"])} if stands else {}
    if command == "forward" and units.get(tip["forwarded_to"] or "") is not None:
        # Another commune is asked to take it over; nobody was told what the law wants told.
        command = ""
    current: dict[str, Row] = {}
    for deadline in sorted(deadlines, key=lambda deadline: deadline["round"]):
        current[deadline["name"]] = deadline
    reopened_at = max((d["starts_at"] for d in current.values() if d["round"] > 1), default=tip["received_at"])
    changes = []
    for deadline in deadlines:
        if deadline is not current[deadline["name"]]:
            # An earlier round is over: it counts as it was met, as long as its tip stands.
            state = _done(deadline) if stands and deadline["met_at"] else "void"
            changes.append(Change(deadline, {**deadline, "state": state}))
        elif deadline["name"] not in has:
            changes.append(Change(deadline, {**deadline, "state": "void", "to_do": False}))
    for name, rule in has.items():
        known = current.get(name)
        if known is None:
            started = begun(tip, rule, 1, now if anew else reopened_at)
        elif anew and (known["state"] == "void" or known["met_by"] in CLOSING):
            started = begun(tip, rule, known["round"] + 1, now)
        else:
            # Nothing of a tip changes while it does not stand; but what has passed by now is missed.
            as_it_is = _corrected(before, tip, known, rule, reopened_at) if stood else {**known, "state": "missed"}
            changes.append(Change(known, _stepped(tip, as_it_is, rule, command, now, done_at)))
            continue
        changes.append(Change(None, _stepped(tip, started, rule, command, now, done_at)))
    return [change for change in changes if change.before != change.after]


def begun(tip: Row, rule: Wanted, round: int, at: datetime) -> Row:
    """A deadline of a tip as it begins; the id is the caller's to give."""
    return {
        "tip_id": tip["id"],
        "name": rule.name,
        "round": round,
        "unit": tip["handled_by"],
        "handled_by": tip["handled_by"],
        "classified_as": tip.get("classified_as"),
        "difficult": rule.difficult,
        "starts_at": at,
        "due_at": rule.rule.after(at),
        "complex": False,
        "extended_to": None,
        "met_at": None,
        "met_by": None,
        "state": "running",
        "to_do": True,
        "version": 1,
    }


def due_at(deadline: Row, rule: Wanted) -> datetime:
    """When it ends: by its rule, marked complex or not, or as it was extended."""
    time = rule.rule.complex if deadline["complex"] and rule.rule.complex else rule.rule
    ends: datetime = time.after(deadline["starts_at"])
    return max(ends, deadline["extended_to"] or ends)


def _corrected(before: Row, tip: Row, deadline: Row, rule: Wanted, reopened_at: datetime) -> Row:
    """The deadline by the tip's class, place and reception as they are now."""
    corrected = {**deadline, "classified_as": tip["classified_as"], "difficult": rule.difficult}
    if deadline["state"] == "void" and deadline["met_at"] is None:
        corrected["starts_at"] = reopened_at
    elif deadline["round"] == 1:
        corrected["starts_at"] = tip["received_at"]
    corrected["due_at"] = due_at(corrected, rule)
    corrected["handled_by"] = tip["handled_by"]
    if deadline["state"] in ("running", "void") or (
        before["unit"] != tip["unit"] and deadline["unit"] == before["unit"]
    ):
        corrected["unit"] = tip["handled_by"]
    return corrected


def _stepped(tip: Row, deadline: Row, rule: Wanted, command: str, now: datetime, done_at: datetime) -> Row:
    """The deadline after a step, which may be the one that meets it."""
    if deadline["met_at"] is None and command in rule.met_by:
        deadline = {**deadline, "met_at": max(done_at, deadline["starts_at"]), "met_by": command}
    may_be_met = _may_be_met(tip, rule)
    state: DeadlineState
    if deadline["met_at"] is not None:
        state = _done(deadline)
    elif deadline["state"] == "missed" and deadline["due_at"] < now:
        state = "missed"
    else:
        state = "running" if may_be_met else "void"
    return {**deadline, "state": state, "to_do": may_be_met and state in ("running", "missed")}


def _may_be_met(tip: Row, rule: Wanted) -> bool:
    """Whether the tip is open, or closed only by notifying that an agency has it, who may still do what is due."""
    with_agency = tip["outcome"] is None and units.get(tip["forwarded_to"] or "") is None
    return tip["state"] in OPEN or (with_agency and any(tip["state"] in STEPS[step].of for step in rule.met_by))


def _done(deadline: Row) -> DeadlineState:
    return "met" if deadline["met_at"] <= deadline["due_at"] else "late"
