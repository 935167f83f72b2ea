"""The verbs of training: enter a class that was held, issue a certificate, revoke one."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams import terms
from services.teams.corrections import Withdraw, require_not_withdrawn, set_right, withdraw
from services.teams.errors import CertificateStands, DayTooEarly, NotMemberThen, RecordWithdrawn
from services.teams.placing import unit_of
from services.teams.tables.members import Member
from services.teams.tables.teams import SEEN as TEAM_SEEN
from services.teams.tables.teams import Team
from services.teams.tables.training import Certificate, TrainingClass
from services.teams.training.reading import CERTIFICATE_SEEN, CLASS_SEEN
from services.teams.training.schemas import (
    CertificateOut,
    CorrectCertificate,
    CorrectTraining,
    HoldTraining,
    IssueCertificate,
    RevokeCertificate,
    TrainingClassOut,
)
from shared import events, references
from shared.access import Identity
from shared.days import today
from shared.errors import NotFound, StepNotAllowed
from shared.events.teams import Role
from shared.outbox import UnitOfWork
from shared.outbox.rows import changed
from shared.validity import require_not_future, require_unit
from shared.workflow import is_seen, load_seen

# For each class, member and day that are asked about: the class, and the member's team and role on that day.
ROLES_THEN = """
SELECT asked.number, class.held_on, class.withdrawn_at, term.role, term.team_id,
  coalesce(term.team_id, latest.team_id) AS seen_in
FROM unnest($1::uuid[], $2::uuid[], $3::date[]) WITH ORDINALITY AS asked (class, member, day, number)
JOIN training_classes class ON class.id = asked.class JOIN members member ON member.id = asked.member
JOIN member_terms latest ON latest.id = member.term_id
LEFT JOIN member_terms term ON term.member_id = member.id AND term.withdrawn_at IS NULL
  AND term.from_on <= asked.day AND (term.until_on IS NULL OR term.until_on >= asked.day)
"""


async def hold_training(work: UnitOfWork, caller: Identity, training: HoldTraining) -> TrainingClassOut:
    """Enter a class that was held. Raises for a unit or a day that cannot be, a foreign area, or a reference that its
    system has given before."""
    require_unit(training.unit, training.held_on)
    caller.require("keep_registry", training.unit)
    if training.started_on and training.started_on > training.held_on:
        raise DayTooEarly(day=training.held_on, earliest=training.started_on)
    await references.require_new(work, TrainingClass, caller.subject, training.reference)
    row = work.add(
        TrainingClass,
        id=uuid7(),
        unit=training.unit,
        title=training.title,
        started_on=training.started_on,
        held_on=training.held_on,
        organiser=training.organiser,
        recorded_by=caller.subject,
        source_system=caller.subject if training.reference else None,
        reference=training.reference,
    )
    work.emit("TrainingHeld", row.id, None, _fact(row))
    return TrainingClassOut.model_validate(row)


async def correct_training(
    work: UnitOfWork, caller: Identity, class_id: UUID, correction: CorrectTraining
) -> TrainingClassOut:
    """Set right what was entered wrongly of a class. Raises CertificateStands for a day after one was given."""
    training = await _load(work, caller, class_id)
    values = correction.model_dump(exclude={"reason"}, exclude_none=True)
    corrected = changed(training, values)
    require_unit(corrected.unit, corrected.held_on)
    caller.require("keep_registry", corrected.unit)
    if corrected.started_on and corrected.started_on > corrected.held_on:
        raise DayTooEarly(day=corrected.held_on, earliest=corrected.started_on)
    await _require_no_certificate(work, class_id, before=corrected.held_on)
    after = set_right(work, caller, "class", training, correction.reason, values)
    work.emit("TrainingCorrected", class_id, _fact(training), _fact(after))
    return TrainingClassOut.model_validate(after)


async def withdraw_training(
    work: UnitOfWork, caller: Identity, class_id: UUID, withdrawal: Withdraw
) -> TrainingClassOut:
    """Take a class back that should not have been entered. Raises CertificateStands while one of it does."""
    training = await _load(work, caller, class_id)
    await _require_no_certificate(work, class_id)
    withdrawn = withdraw(work, caller, "class", training, withdrawal.reason)
    work.emit("TrainingWithdrawn", class_id, _fact(training), None)
    return TrainingClassOut.model_validate(withdrawn)


async def issue_certificate(work: UnitOfWork, caller: Identity, certificate: IssueCertificate) -> CertificateOut:
    """Give a member a certificate. Raises NotMemberThen unless the member held a role on the day of issue, or for a
    reference that its system has given before."""
    caller.require_role("keep_registry")
    require_not_future(certificate.issued_on)
    class_id = await references.named(work, TrainingClass, caller.subject, certificate, "training_class")
    member_id = await references.named(work, Member, caller.subject, certificate, "member")
    held = await _role_then(work, caller, class_id, member_id, certificate.issued_on)
    await references.require_new(work, Certificate, caller.subject, certificate.reference)
    row = work.add(
        Certificate,
        id=uuid7(),
        training_class_id=class_id,
        member_id=member_id,
        team_id=held.team_id,
        number=certificate.number,
        issued_on=certificate.issued_on,
        unit=held.unit,
        role=held.role,
        recorded_by=caller.subject,
        source_system=caller.subject if certificate.reference else None,
        reference=certificate.reference,
    )
    work.emit("CertificateIssued", row.id, None, terms.certificate_fact(row), **terms.links_of(row))
    return CertificateOut.model_validate(row)


async def revoke_certificate(
    work: UnitOfWork, caller: Identity, certificate_id: UUID, revocation: RevokeCertificate
) -> CertificateOut:
    """Take a certificate back: it no longer counts. Raises StepNotAllowed for one that was revoked before."""
    certificate = await _load_certificate(work, caller, certificate_id, "revoke")
    revoked = work.change(certificate)
    revoked.revoked_on, revoked.revocation_reason = today(), revocation.reason
    links = terms.links_of(certificate)
    work.emit("CertificateRevoked", certificate_id, terms.certificate_fact(certificate), None, **links)
    return CertificateOut.model_validate(revoked)


async def correct_certificate(
    work: UnitOfWork, caller: Identity, certificate_id: UUID, correction: CorrectCertificate
) -> CertificateOut:
    """Set right a certificate's number or day of issue; its team and role are those of that day."""
    certificate = await _load_certificate(work, caller, certificate_id, "correct")
    values = correction.model_dump(exclude={"reason"}, exclude_none=True)
    if correction.issued_on is not None:
        require_not_future(correction.issued_on)
        held = await _role_then(
            work, caller, certificate.training_class_id, certificate.member_id, correction.issued_on
        )
        values |= held._asdict()
    return CertificateOut.model_validate(
        terms.correct_certificate(work, caller, certificate, correction.reason, **values)
    )


class Held(NamedTuple):
    """The team, its unit and the role that a member had on a day."""

    team_id: UUID
    unit: str
    role: Role


async def _role_then(work: UnitOfWork, caller: Identity, class_id: UUID, member_id: UUID, issued_on: date) -> Held:
    """The team, its unit on that day and the role that a member held then; the class was over."""
    found = await work.database.fetchrow(ROLES_THEN, [class_id], [member_id], [issued_on])
    team = await work.look_up(Team, found["seen_in"]) if found is not None else None
    if found is None or team is None or not is_seen(caller, team, TEAM_SEEN, "keep_registry"):
        raise NotFound(training_class_id=class_id, member_id=member_id)
    if found["team_id"] is None:
        raise NotMemberThen(member_id=member_id, day=issued_on)
    if found["withdrawn_at"] is not None:
        raise RecordWithdrawn(id=class_id)
    if issued_on < found["held_on"]:
        raise DayTooEarly(day=issued_on, earliest=found["held_on"])
    return Held(team.id, unit_of(team, issued_on), found["role"])


async def _load(work: UnitOfWork, caller: Identity, class_id: UUID) -> TrainingClass:
    training = await load_seen(work, caller, TrainingClass, class_id, CLASS_SEEN, "keep_registry")
    require_not_withdrawn(training)
    return training


async def _load_certificate(work: UnitOfWork, caller: Identity, certificate_id: UUID, step: str) -> Certificate:
    caller.require_role("keep_registry")
    certificate = await work.look_up(Certificate, certificate_id)
    team = await work.database.fetchrow(
        "SELECT id AS team_id, unit AS team_unit FROM teams WHERE id = $1", certificate.team_id if certificate else None
    )
    if certificate is None or team is None or not caller.sees(CERTIFICATE_SEEN, team.__getitem__, "keep_registry"):
        raise NotFound(id=certificate_id)
    work.require_matched(certificate)
    if certificate.revoked_on is not None:
        raise StepNotAllowed(state="revoked", step=step)
    return certificate


async def _require_no_certificate(work: UnitOfWork, class_id: UUID, before: date = date.max) -> None:
    row = await work.database.fetchrow(
        """SELECT id FROM certificates
        WHERE training_class_id = $1 AND revoked_on IS NULL AND issued_on < $2 LIMIT 1""",
        class_id,
        before,
    )
    if row is not None:
        raise CertificateStands(certificate_id=row["id"])


def _fact(training: TrainingClass) -> events.TrainingClass:
    return events.TrainingClass(unit=training.unit, held_on=training.held_on)
