"""What crosses HTTP about training."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, model_validator

from services.teams.corrections import Reason
from shared.days import Day
from shared.events.teams import Role
from shared.http import Input, Output
from shared.listing import ExportQuery, ListQuery, Search, Sought
from shared.references import require_one_name
from shared.text import Line, UnitId


class HoldTraining(Input):
    """A training class that was held. `unit`: commune, district or province; `held_on`: its last day.

    `reference`: the number that the sending system gave it, unique there.
    """

    unit: UnitId
    title: Line
    started_on: Day | None = None
    held_on: Day
    organiser: Line | None = None
    reference: Line | None = None


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
    reference: str | None = None
    version: int


ClassState = Literal["held", "withdrawn"]


class ListedClass(TrainingClassOut):
    """A training class as lists and files show it."""

    state: ClassState


class TrainingClassPage(BaseModel):
    """A page of training classes, in the order of their entry."""

    items: list[ListedClass]


class SearchClasses(Search):
    """Which training classes: all that is given must hold. The period is of the last day, `held_on`.

    `text`: words of the title or the organiser, all of which must occur, in any order; diacritics and the place of a tone
    make no difference.
    """

    text: Annotated[Sought | None, Query()] = None
    state: Annotated[ClassState | None, Query()] = None


class ListTrainingClasses(SearchClasses, ListQuery):
    """A page of them."""


class ExportClasses(SearchClasses, ExportQuery):
    """A file of them."""


class IssueCertificate(Input):
    """A certificate for a member, of a class that has ended, each named by its id or by its `reference`.

    `reference`: the number that the sending system gave the certificate, unique there.
    """

    training_class_id: UUID | None = None
    training_class_reference: Line | None = None
    member_id: UUID | None = None
    member_reference: Line | None = None
    number: Line
    issued_on: Day
    reference: Line | None = None

    @model_validator(mode="after")
    def _name_class_and_member(self) -> Self:
        require_one_name(self, "training_class")
        require_one_name(self, "member")
        return self


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
    reference: str | None = None
    version: int


CertificateState = Literal["valid", "revoked"]


class ListedCertificate(CertificateOut):
    """A certificate as lists and files show it, with the names of its class and its team."""

    class_title: str
    team_name: str
    state: CertificateState


class CertificatePage(BaseModel):
    """A page of certificates, in the order of their entry."""

    items: list[ListedCertificate]


class SearchCertificates(Search):
    """Which certificates: all that is given must hold. The period is of the day of issue.

    The unit is that of the certificate's team today. `text`: words of the number, all of which must occur, without regard
    to case and diacritics.
    """

    text: Annotated[Sought | None, Query()] = None
    training_class_id: Annotated[UUID | None, Query()] = None
    member_id: Annotated[UUID | None, Query()] = None
    team_id: Annotated[UUID | None, Query()] = None
    role: Annotated[Role | None, Query()] = None
    state: Annotated[CertificateState | None, Query()] = None


class ListCertificates(SearchCertificates, ListQuery):
    """A page of them."""


class ExportCertificates(SearchCertificates, ExportQuery):
    """A file of them."""
