"""The tables of training classes and of the certificates given in them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from services.teams.tables.teams import TeamsModel
from shared.events.teams import Role
from shared.listing import Words
from shared.outbox import after_create, instant, word

# By what a class is found, and a certificate.
CLASS_WORDS = Words("title || ' ' || coalesce(organiser, '')")
CERTIFICATE_WORDS = Words("number")


class TrainingClass(TeamsModel, table=True):
    """A training class (lớp tập huấn) of a commune, district or province; `held_on` is its last day."""

    __tablename__ = "training_classes"
    id: UUID = Field(primary_key=True)
    unit: str
    title: str
    started_on: date | None = None
    held_on: date
    organiser: str | None = None
    withdrawn_at: datetime | None = instant(default=None)
    recorded_by: str
    # Of one that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    version: int = 1

    __table_args__ = (
        Index("training_classes_by_unit", "unit", "id"),
        Index("training_classes_by_words", text(CLASS_WORDS.indexed), postgresql_using="gin"),
        Index(
            "training_classes_by_reference",
            "source_system",
            "reference",
            unique=True,
            postgresql_where="reference IS NOT NULL",
        ),
    )


after_create(
    TrainingClass,
    """CREATE CONSTRAINT TRIGGER certificates_fit AFTER UPDATE ON training_classes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('class', 'id')""",
)


class Certificate(TeamsModel, table=True):
    """A training certificate (giấy chứng nhận tập huấn), with the member's team and role on the day of issue."""

    __tablename__ = "certificates"
    id: UUID = Field(primary_key=True)
    training_class_id: UUID = Field(foreign_key="training_classes.id")
    member_id: UUID = Field(foreign_key="members.id")
    team_id: UUID = Field(foreign_key="teams.id")
    number: str
    issued_on: date
    unit: str
    role: Role = word()
    revoked_on: date | None = None
    revocation_reason: str | None = None
    recorded_by: str
    # Of one that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    version: int = 1

    # One certificate of a class for a member, and one of a number; a revoked one makes room.
    __table_args__ = (
        Index(
            "certificates_of_member",
            "member_id",
            "training_class_id",
            unique=True,
            postgresql_where="revoked_on IS NULL",
        ),
        Index(
            "certificates_by_number", "training_class_id", "number", unique=True, postgresql_where="revoked_on IS NULL"
        ),
        Index("certificates_by_team", "team_id", "id"),
        Index("certificates_by_words", text(CERTIFICATE_WORDS.indexed), postgresql_using="gin"),
        Index(
            "certificates_by_reference",
            "source_system",
            "reference",
            unique=True,
            postgresql_where="reference IS NOT NULL",
        ),
    )


after_create(
    Certificate,
    """CREATE CONSTRAINT TRIGGER certificates_fit AFTER INSERT OR UPDATE ON certificates
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('certificate', 'id')""",
)
