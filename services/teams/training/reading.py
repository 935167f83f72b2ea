"""What may be read of training."""

from uuid import UUID

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.tables.training import CERTIFICATE_WORDS, CLASS_WORDS
from services.teams.training.schemas import CertificateOut, ListedCertificate, ListedClass
from shared.access import Seen
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of

# What was corrected of a class is no team's; a certificate is of its team, and of the unit where that is now.
CLASS_SEEN = Seen("read_registry", team=None)
CERTIFICATE_SEEN = Seen("read_registry", ("team_unit",))

_CLASSES = Records(
    "training_classes",
    at="id",
    day="held_on",
    may=CLASS_SEEN.may,
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
    may=CERTIFICATE_SEEN.may,
    filters={
        "training_class_id": "training_class_id = {training_class_id}",
        "member_id": "member_id = {member_id}",
        "team_id": "team_id = {team_id}",
        "role": "role = {role}",
        "state": "state = {state}",
    },
    reach=CERTIFICATE_SEEN.units,
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
    Column("Số tham chiếu", value_of("reference")),
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
    Column("Số tham chiếu", value_of("reference")),
]

CLASSES = Listing(_CLASSES, lambda row: ListedClass.model_validate(dict(row)), "lop-tap-huan", CLASS_FILE)
CERTIFICATES = Listing(
    _CERTIFICATES, lambda row: ListedCertificate.model_validate(dict(row)), "giay-chung-nhan-tap-huan", CERTIFICATE_FILE
)


async def read_certificate(reader: Reader, certificate_id: UUID) -> CertificateOut:
    """One certificate. NotFound without one that the caller sees."""
    row = await reader.one(
        CERTIFICATE_SEEN,
        """SELECT certificate.*, team.unit AS team_unit
        FROM certificates certificate JOIN teams team ON team.id = certificate.team_id
        WHERE certificate.id = $1""",
        certificate_id,
    )
    return CertificateOut.model_validate(dict(row))


async def certificate_corrections(reader: Reader, certificate_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the certificate. Raises as `read_certificate` does."""
    await read_certificate(reader, certificate_id)
    return await corrections_of(reader.database, certificate_id)


async def training_corrections(reader: Reader, class_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the class. NotFound without one that the caller sees, ForeignArea for a team's leader."""
    await reader.one(CLASS_SEEN, "SELECT unit FROM training_classes WHERE id = $1", class_id)
    return await corrections_of(reader.database, class_id)
