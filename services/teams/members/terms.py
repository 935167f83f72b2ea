"""How a term begins, ends and is set right; every change of who is in a team is made of these."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.corrections import set_right, withdraw
from services.teams.errors import CertificateStands
from services.teams.members.models import MemberTerm
from services.teams.members.schemas import EndedFor
from services.teams.teams.models import Team
from services.teams.teams.placing import unit_of
from services.teams.training.models import Certificate
from shared import events, units
from shared.auth import Identity
from shared.database import Row
from shared.decisions import Decision
from shared.outbox import UnitOfWork


def begin_term(
    work: UnitOfWork,
    caller: Identity,
    member_id: UUID,
    team: Row,
    event: str,
    role: events.Role,
    from_on: date,
    decision: Decision,
    **end: Any,
) -> Row:
    """A new term of a member, and the event that tells of it; `end`: its end's columns, where that is known already."""
    term = work.add(
        MemberTerm,
        id=uuid7(),
        member_id=member_id,
        team_id=team["id"],
        unit=unit_of(team, from_on),
        role=role,
        from_on=from_on,
        **decision.columns("decision"),
        **end,
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


def correct_term(work: UnitOfWork, caller: Identity, term: Row, reason: str, **values: Any) -> Row:
    """The term with what was entered wrongly set right, and the event that tells of it."""
    corrected = set_right(work, caller, "term", MemberTerm, term, reason, **values)
    links = {"member_id": term["member_id"], "team_id": term["team_id"]}
    work.emit("MemberTermCorrected", term["id"], fact(term), fact(corrected), **links)
    return corrected


def withdraw_term(work: UnitOfWork, caller: Identity, term: Row, reason: str) -> Row:
    """The term as one that never was, and the event that tells of it."""
    links = {"member_id": term["member_id"], "team_id": term["team_id"]}
    work.emit("MemberTermWithdrawn", term["id"], fact(term), None, **links)
    return withdraw(work, caller, "term", MemberTerm, term, reason)


async def realign_certificates(
    work: UnitOfWork, caller: Identity, member_id: UUID, changed: Sequence[Row], reason: str
) -> None:
    """A certificate names the team and role that its holder had on its day: those given in terms that changed follow.

    `changed`: the member's terms that this work has begun, ended, corrected or withdrawn. Raises CertificateStands
    for a certificate of a day on which the person would then be in no team.
    """
    certificates = await work.database.fetch(
        "SELECT * FROM certificates WHERE member_id = $1 AND revoked_on IS NULL ORDER BY id", member_id
    )
    if not certificates:
        return
    rows = await work.database.fetch("SELECT * FROM member_terms WHERE member_id = $1", member_id)
    terms = {row["id"]: dict(row) for row in rows} | {row["id"]: row for row in changed}
    for certificate in map(dict, certificates):
        day = certificate["issued_on"]
        held = next((term for term in terms.values() if _holds(term, day)), None)
        if held is None:
            raise CertificateStands(certificate_id=certificate["id"], day=day)
        values = {"team_id": held["team_id"], "role": held["role"], "unit": await _unit_of(work, held, day)}
        if any(certificate[name] != value for name, value in values.items()):
            correct_certificate(work, caller, certificate, reason, **values)


def correct_certificate(work: UnitOfWork, caller: Identity, certificate: Row, reason: str, **values: Any) -> Row:
    """The certificate with what was entered wrongly set right, and the event that tells of it."""
    corrected = set_right(work, caller, "certificate", Certificate, certificate, reason, **values)
    links = {name: corrected[name] for name in ("training_class_id", "member_id", "team_id")}
    work.emit(
        "CertificateCorrected", certificate["id"], certificate_fact(certificate), certificate_fact(corrected), **links
    )
    return corrected


def certificate_fact(certificate: Row) -> events.Certificate:
    """What of a certificate may be counted."""
    return events.Certificate(unit=certificate["unit"], issued_on=certificate["issued_on"], role=certificate["role"])


def _holds(term: Row, day: date) -> bool:
    return term.get("withdrawn_at") is None and term["from_on"] <= day <= (term.get("until_on") or date.max)


async def _unit_of(work: UnitOfWork, term: Row, day: date) -> str:
    # A term's unit is that of its first day; if the edition holds on the certificate's day too, so is the certificate's.
    if term["unit"][:4] == units.edition_on(day):
        unit: str = term["unit"]
        return unit
    team = await work.look_up(Team, term["team_id"])
    assert team is not None
    return unit_of(team, day)


def fact(term: Any) -> events.MemberTerm:
    """What of a term may be counted."""
    return events.MemberTerm(
        unit=term["unit"], role=term["role"], from_on=term["from_on"], until_on=term.get("until_on")
    )
