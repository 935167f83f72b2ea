"""What crosses HTTP about training."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

from services.teams.corrections import Reason
from shared.days import Day
from shared.events.teams import Role
from shared.http import Input, Output, Page
from shared.text import Line, UnitId


class HoldTraining(Input):
    """A training class that was held. `unit`: commune, district or province; `held_on`: its last day."""

    unit: UnitId
    title: Line
    started_on: Day | None = None
    held_on: Day
    organiser: Line | None = None


class CorrectTraining(Input):
    """What was entered wrongly of a class, with the reason; a field that is left out stays."""

    reason: Reason
    unit: UnitId | None = None
    title: Line | None = None
    started_on: Day | None = None
    held_on: Day | None = None
    organiser: Line | None = None


class TrainingClassOut(Output):
    """A training class."""

    id: UUID
    unit: str
    title: str
    started_on: date | None
    held_on: date
    organiser: str | None
    withdrawn_at: AwareDatetime | None = None
    version: int


class TrainingClassPage(BaseModel):
    """A page of training classes, in the order of their entry."""

    items: list[TrainingClassOut]


class ListTrainingClasses(Page):
    """Training classes of a unit and all below it."""

    unit: Annotated[UnitId | None, Query()] = None


class IssueCertificate(Input):
    """A certificate for a member, of a class that has ended."""

    training_class_id: UUID
    member_id: UUID
    number: Line
    issued_on: Day


class CorrectCertificate(Input):
    """What was entered wrongly of a certificate, with the reason; a field that is left out stays.

    Its team and role are those of the day of issue, so another `issued_on` may bring others.
    """

    reason: Reason
    number: Line | None = None
    issued_on: Day | None = None


class RevokeCertificate(Input):
    """Why the certificate no longer holds."""

    reason: Line


class CertificateOut(Output):
    """A training certificate; `unit`, `team_id` and `role` are the member's on the day of issue."""

    id: UUID
    training_class_id: UUID
    member_id: UUID
    team_id: UUID
    number: str
    issued_on: date
    unit: str
    role: Role
    revoked_on: date | None = None
    revocation_reason: str | None = None
    version: int


class CertificatePage(BaseModel):
    """A page of certificates, in the order of their entry."""

    items: list[CertificateOut]


class ListCertificates(Page):
    """Certificates of a class, of a member, or of the teams of a unit and below it; revoked ones too."""

    training_class_id: Annotated[UUID | None, Query()] = None
    member_id: Annotated[UUID | None, Query()] = None
    unit: Annotated[UnitId | None, Query()] = None
