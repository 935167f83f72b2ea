"""What may be read of training."""

from uuid import UUID

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.training.schemas import (
    CertificateOut,
    CertificatePage,
    ListCertificates,
    ListTrainingClasses,
    TrainingClassOut,
    TrainingClassPage,
)
from shared.access import Identity
from shared.database import Database
from shared.errors import NotFound


async def list_training_classes(database: Database, caller: Identity, query: ListTrainingClasses) -> TrainingClassPage:
    """A page of the classes in the caller's area; a leader sees those that gave the own team a certificate."""
    own_team, area = caller.reach("read_registry", query.unit)
    rows = await database.fetch(
        """SELECT * FROM training_classes class
        WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text[] IS NULL OR unit = ANY($2))
          AND ($3::uuid IS NULL OR EXISTS (
            SELECT FROM certificates WHERE training_class_id = class.id AND team_id = $3))
        ORDER BY id LIMIT $4""",
        query.after,
        area,
        own_team,
        query.limit,
    )
    return TrainingClassPage(items=[TrainingClassOut.model_validate(dict(row)) for row in rows])


async def list_certificates(database: Database, caller: Identity, query: ListCertificates) -> CertificatePage:
    """A page of the certificates in the caller's reach."""
    own_team, area = caller.reach("read_registry", query.unit)
    rows = await database.fetch(
        """SELECT certificate.* FROM certificates certificate JOIN teams team ON team.id = certificate.team_id
        WHERE ($1::uuid IS NULL OR certificate.id > $1) AND ($2::text[] IS NULL OR team.unit = ANY($2))
          AND ($3::uuid IS NULL OR team.id = $3)
          AND ($4::uuid IS NULL OR training_class_id = $4) AND ($5::uuid IS NULL OR member_id = $5)
        ORDER BY certificate.id LIMIT $6""",
        query.after,
        area,
        own_team,
        query.training_class_id,
        query.member_id,
        query.limit,
    )
    return CertificatePage(items=[CertificateOut.model_validate(dict(row)) for row in rows])


async def read_certificate(database: Database, caller: Identity, certificate_id: UUID) -> CertificateOut:
    """One certificate. NotFound without one, ForeignArea outside the caller's reach."""
    caller.require_role("read_registry")
    row = await database.fetchrow(
        """SELECT certificate.*, team.unit AS team_unit
        FROM certificates certificate JOIN teams team ON team.id = certificate.team_id
        WHERE certificate.id = $1""",
        certificate_id,
    )
    if row is None:
        raise NotFound(id=certificate_id)
    caller.require("read_registry", row["team_unit"], str(row["team_id"]))
    return CertificateOut.model_validate(dict(row))


async def certificate_corrections(database: Database, caller: Identity, certificate_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the certificate. Raises as `read_certificate` does."""
    await read_certificate(database, caller, certificate_id)
    return await corrections_of(database, certificate_id)


async def training_corrections(database: Database, caller: Identity, class_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the class. NotFound without one, ForeignArea outside the caller's area."""
    caller.require_role("read_registry")
    row = await database.fetchrow("SELECT unit FROM training_classes WHERE id = $1", class_id)
    if row is None:
        raise NotFound(id=class_id)
    caller.require("read_registry", row["unit"])
    return await corrections_of(database, class_id)
