"""The tables of training classes and of the certificates given in them."""

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field

from services.teams.teams.models import TeamsModel
from shared.events import Role
from shared.outbox import instant, word


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
    version: int = 1


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
    version: int = 1
