"""How a term begins and ends; every change of who is in a team is made of these two."""

from datetime import date
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.members.models import MemberTerm
from services.teams.members.schemas import EndedFor
from shared import events
from shared.auth import Identity
from shared.database import Row
from shared.decisions import Decision
from shared.outbox import UnitOfWork
from shared.places import unit_on


def begin_term(
    work: UnitOfWork,
    caller: Identity,
    member_id: UUID,
    team: Row,
    event: str,
    role: events.Role,
    from_on: date,
    decision: Decision,
) -> Row:
    """A new term of a member, and the event that tells of it."""
    term = work.add(
        MemberTerm,
        id=uuid7(),
        member_id=member_id,
        team_id=team["id"],
        unit=unit_on(team["unit"], from_on),
        role=role,
        from_on=from_on,
        **decision.columns("decision"),
        recorded_by=caller.subject,
        version=1,
    )
    work.emit(event, term["id"], None, fact(term), member_id=member_id, team_id=team["id"])
    return term


def end_term(
    work: UnitOfWork,
    term: Row,
    event: str,
    until_on: date,
    ended_for: EndedFor,
    decision: Decision,
    reason: str | None = None,
) -> Row:
    """The term with its last day, and the event that tells of it."""
    ended = work.change(
        MemberTerm,
        term,
        until_on=until_on,
        ended_for=ended_for,
        **decision.columns("end_decision"),
        end_reason=reason,
    )
    work.emit(event, term["id"], fact(term), fact(ended), member_id=term["member_id"], team_id=term["team_id"])
    return ended


def fact(term: Any) -> events.MemberTerm:
    """What of a term may be counted."""
    return events.MemberTerm(
        unit=term["unit"], role=term["role"], from_on=term["from_on"], until_on=term.get("until_on")
    )
