"""The verbs of training: enter a class that was held, issue a certificate, revoke one."""

from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.errors import DayTooEarly, NotMemberThen
from services.teams.training.models import Certificate, TrainingClass
from services.teams.training.schemas import (
    CertificateOut,
    HoldTraining,
    IssueCertificate,
    RevokeCertificate,
    TrainingClassOut,
)
from shared import events
from shared.auth import Identity
from shared.database import Row
from shared.days import today
from shared.errors import NotFound, StepNotAllowed
from shared.outbox import UnitOfWork
from shared.places import require_not_future, require_place, unit_on


async def hold_training(work: UnitOfWork, caller: Identity, training: HoldTraining) -> TrainingClassOut:
    """Enter a class that was held. Raises for a place or a day that cannot be, or a foreign area."""
    require_place(training.unit, training.held_on)
    caller.require("keep_registry", training.unit)
    if training.started_on and training.started_on > training.held_on:
        raise DayTooEarly(day=training.held_on, earliest=training.started_on)
    row = work.add(TrainingClass, id=uuid7(), **training.model_dump(), recorded_by=caller.subject, version=1)
    fact = events.TrainingClass(unit=training.unit, held_on=training.held_on)
    work.emit("TrainingHeld", row["id"], None, fact)
    return TrainingClassOut.model_validate(row)


async def issue_certificate(work: UnitOfWork, caller: Identity, certificate: IssueCertificate) -> CertificateOut:
    """Give a member a certificate. Raises NotMemberThen unless the member held a role on the day of issue."""
    caller.require_role("keep_registry")
    require_not_future(certificate.issued_on)
    found = await work.database.fetchrow(
        """SELECT class.held_on, term.role, team.id AS team_id, team.unit AS team_unit
        FROM training_classes class CROSS JOIN members member
        LEFT JOIN member_terms term ON term.member_id = member.id
          AND term.from_on <= $3 AND (term.until_on IS NULL OR term.until_on >= $3)
        LEFT JOIN teams team ON team.id = term.team_id
        WHERE class.id = $1 AND member.id = $2""",
        certificate.training_class_id,
        certificate.member_id,
        certificate.issued_on,
    )
    if found is None:
        raise NotFound(training_class_id=certificate.training_class_id, member_id=certificate.member_id)
    if found["team_id"] is None:
        raise NotMemberThen(member_id=certificate.member_id, day=certificate.issued_on)
    caller.require("keep_registry", found["team_unit"])
    if certificate.issued_on < found["held_on"]:
        raise DayTooEarly(day=certificate.issued_on, earliest=found["held_on"])
    row = work.add(
        Certificate,
        id=uuid7(),
        **certificate.model_dump(),
        team_id=found["team_id"],
        unit=unit_on(found["team_unit"], certificate.issued_on),
        role=found["role"],
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("CertificateIssued", row["id"], None, _fact(row), **_links(row))
    return CertificateOut.model_validate(row)


async def revoke_certificate(
    work: UnitOfWork, caller: Identity, certificate_id: UUID, revocation: RevokeCertificate
) -> CertificateOut:
    """Take a certificate back: it no longer counts. Raises StepNotAllowed for one that was revoked before."""
    caller.require_role("keep_registry")
    certificate = await work.load(Certificate, certificate_id)
    team = await work.database.fetchrow("SELECT unit FROM teams WHERE id = $1", certificate["team_id"])
    assert team is not None
    caller.require("keep_registry", team["unit"])
    if certificate["revoked_on"] is not None:
        raise StepNotAllowed(state="revoked", step="revoke")
    changed = work.change(Certificate, certificate, revoked_on=today(), revocation_reason=revocation.reason)
    work.emit("CertificateRevoked", certificate_id, _fact(certificate), None, **_links(certificate))
    return CertificateOut.model_validate(changed)


def _fact(certificate: Row) -> events.Certificate:
    return events.Certificate(unit=certificate["unit"], issued_on=certificate["issued_on"], role=certificate["role"])


def _links(certificate: Row) -> dict[str, UUID]:
    return {name: certificate[name] for name in ("training_class_id", "member_id", "team_id")}
