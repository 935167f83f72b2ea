"""What may be read of training."""

from uuid import UUID

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.tables.training import CERTIFICATE_WORDS, CLASS_WORDS
from services.teams.training.schemas import CertificateOut, ListedCertificate, ListedClass
from shared.access import Identity
from shared.database import Database
from shared.errors import NotFound
from shared.listing import Column, Listing, Records, name_of, value_of, word_of

_CLASSES = Records(
    "training_classes",
    at="id",
    day="held_on",
    may="read_registry",
    filters={"state": "state = {state}"},
    # A leader sees the classes that gave the own team a certificate.
    of_team="id IN (SELECT training_class_id FROM certificates WHERE team_id = {own_team}::uuid)",
    rows="""SELECT training_classes.*, CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn' ELSE 'held' END AS state
        FROM training_classes""",
    words=CLASS_WORDS,
)
_CERTIFICATES = Records(
    "certificates",
    at="id",
    day="issued_on",
    may="read_registry",
    filters={
        "training_class_id": "training_class_id = {training_class_id}",
        "member_id": "member_id = {member_id}",
        "team_id": "team_id = {team_id}",
        "role": "role = {role}",
        "state": "state = {state}",
    },
    reach=("team_unit",),
    rows="""SELECT certificate.*, team.unit AS team_unit, team.name AS team_name, class.title AS class_title,
            CASE WHEN certificate.revoked_on IS NOT NULL THEN 'revoked' ELSE 'valid' END AS state
        FROM certificates certificate JOIN teams team ON team.id = certificate.team_id
        JOIN training_classes class ON class.id = certificate.training_class_id""",
    words=CERTIFICATE_WORDS,
)

# The words of a state or a role as people write them.
LABELS = {
    "held": "đã tổ chức", "withdrawn": "đã hủy vì nhập sai", "valid": "còn hiệu lực", "revoked": "đã thu hồi",
    "leader": "Tổ trưởng", "deputy": "Tổ phó", "member": "Tổ viên",
}  # fmt: skip

# A class and a certificate as files show them to people.
CLASS_FILE = [
    Column("Mã lớp", value_of("id")),
    Column("Tên lớp tập huấn", value_of("title")),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Từ ngày", value_of("started_on")),
    Column("Ngày kết thúc", value_of("held_on")),
    Column("Đơn vị tổ chức", value_of("organiser")),
    Column("Trạng thái", word_of("state", LABELS)),
]
CERTIFICATE_FILE = [
    Column("Mã giấy chứng nhận", value_of("id")),
    Column("Số giấy chứng nhận", value_of("number")),
    Column("Ngày cấp", value_of("issued_on")),
    Column("Mã lớp", value_of("training_class_id")),
    Column("Tên lớp tập huấn", value_of("class_title")),
    Column("Mã thành viên", value_of("member_id")),
    Column("Vai trò khi được cấp", word_of("role", LABELS)),
    Column("Mã Tổ", value_of("team_id")),
    Column("Tên Tổ", value_of("team_name")),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Ngày thu hồi", value_of("revoked_on")),
    Column("Lý do thu hồi", value_of("revocation_reason")),
]

CLASSES = Listing(_CLASSES, lambda row: ListedClass.model_validate(dict(row)), "lop-tap-huan", CLASS_FILE)
CERTIFICATES = Listing(
    _CERTIFICATES, lambda row: ListedCertificate.model_validate(dict(row)), "giay-chung-nhan-tap-huan", CERTIFICATE_FILE
)


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
