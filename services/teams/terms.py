"""How a term begins, ends and is set right; every change of who is in a team is made of these."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.corrections import set_right, withdraw
from services.teams.errors import CertificateStands
from services.teams.placing import unit_of
from services.teams.tables.members import EndedFor, MemberTerm
from services.teams.tables.teams import Team
from services.teams.tables.training import Certificate
from shared import events, units
from shared.access import Identity
from shared.decisions import Decision
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import values_of
from shared.validity import require_not_future

# How a term ends, so that the one that stands in its place ends alike.
END = ("until_on", "ended_for", "end_decision_number", "end_decision_on", "end_decision_signer", "end_reason")


def end_of(term: MemberTerm) -> dict[str, object]:
    """The columns of a term's end."""
    columns = values_of(term)
    return {name: columns[name] for name in END}


def begin_term(
    work: UnitOfWork,
    caller: Identity,
    member_id: UUID,
    team: Team,
    event: str,
    role: events.teams.Role,
    from_on: date,
    decision: Decision,
    ends_as: MemberTerm | None = None,
) -> MemberTerm:
    """A new term of a member, and its event; `ends_as`: the term whose end it has, where it has one."""
    require_not_future(decision.signed_on)
    term = work.add(
        MemberTerm,
        id=uuid7(),
        member_id=member_id,
        team_id=team.id,
        unit=unit_of(team, from_on),
        role=role,
        from_on=from_on,
        decision_number=decision.number,
        decision_on=decision.signed_on,
        decision_signer=decision.signer,
        recorded_by=caller.subject,
        version=1,
    )
    if ends_as is not None:
        for name, value in end_of(ends_as).items():
            setattr(term, name, value)
    work.emit(event, term.id, None, fact(term), member_id=member_id, team_id=team.id)
    return term


def end_term(
    work: UnitOfWork,
    term: MemberTerm,
    event: str,
    until_on: date,
    ended_for: EndedFor,
    decision: Decision,
    reason: str | None = None,
) -> MemberTerm:
    """The term with its last day, and its event."""
    ended = work.change(term, decision.columns("end_decision"))
    ended.until_on, ended.ended_for, ended.end_reason = until_on, ended_for, reason
    work.emit(event, term.id, fact(term), fact(ended), member_id=term.member_id, team_id=term.team_id)
    return ended


def correct_term(work: UnitOfWork, caller: Identity, term: MemberTerm, reason: str, **values: object) -> MemberTerm:
    """The term with what was entered wrongly set right, and its event."""
    corrected = set_right(work, caller, "term", term, reason, values)
    links = {"member_id": term.member_id, "team_id": term.team_id}
    work.emit("MemberTermCorrected", term.id, fact(term), fact(corrected), **links)
    return corrected


def withdraw_term(work: UnitOfWork, caller: Identity, term: MemberTerm, reason: str) -> MemberTerm:
    """The term as one that never was, and its event."""
    links = {"member_id": term.member_id, "team_id": term.team_id}
    work.emit("MemberTermWithdrawn", term.id, fact(term), None, **links)
    return withdraw(work, caller, "term", term, reason)


async def realign_certificates(
    work: UnitOfWork, caller: Identity, member_id: UUID, changed: Sequence[MemberTerm], reason: str
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
    terms = {row["id"]: row_of(MemberTerm, row) for row in rows} | {term.id: term for term in changed}
    for found in certificates:
        certificate = row_of(Certificate, found)
        day = certificate.issued_on
        held = next((term for term in terms.values() if _holds(term, day)), None)
        if held is None:
            raise CertificateStands(certificate_id=certificate.id, day=day)
        values = {"team_id": held.team_id, "role": held.role, "unit": await _unit_of(work, held, day)}
        if any(getattr(certificate, name) != value for name, value in values.items()):
            correct_certificate(work, caller, certificate, reason, **values)


def correct_certificate(
    work: UnitOfWork, caller: Identity, certificate: Certificate, reason: str, **values: object
) -> Certificate:
    """The certificate with what was entered wrongly set right, and its event."""
    corrected = set_right(work, caller, "certificate", certificate, reason, values)
    before, after = certificate_fact(certificate), certificate_fact(corrected)
    work.emit("CertificateCorrected", certificate.id, before, after, **links_of(corrected))
    return corrected


def links_of(certificate: Certificate) -> dict[str, UUID]:
    """What a certificate's events name beside it."""
    return {
        "training_class_id": certificate.training_class_id,
        "member_id": certificate.member_id,
        "team_id": certificate.team_id,
    }


def certificate_fact(certificate: Certificate) -> events.Certificate:
    """What of a certificate may be counted."""
    return events.Certificate(unit=certificate.unit, issued_on=certificate.issued_on, role=certificate.role)


def _holds(term: MemberTerm, day: date) -> bool:
    return term.withdrawn_at is None and term.from_on <= day <= (term.until_on or date.max)


async def _unit_of(work: UnitOfWork, term: MemberTerm, day: date) -> str:
    # A term's unit is that of its first day; if the edition holds on the certificate's day too, so is the certificate's.
    if units.edition_of(term.unit) == units.edition_on(day):
        return term.unit
    team = await work.look_up(Team, term.team_id)
    assert team is not None
    return unit_of(team, day)


def fact(term: MemberTerm) -> events.MemberTerm:
    """What of a term may be counted."""
    return events.MemberTerm(unit=term.unit, role=term.role, from_on=term.from_on, until_on=term.until_on)
