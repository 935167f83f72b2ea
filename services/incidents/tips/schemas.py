"""What crosses HTTP about tips."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from shared.days import Instant
from shared.events import SuppliedBy, TipClass, TipState
from shared.http import Input, Page
from shared.http import Step as StepInput
from shared.text import Line, Text, UnitId, Word

Channel = Literal["web", "app", "hotline", "in_person", "team", "officer", "system"]


class ReportTip(Input):
    """A tip as it comes in. `team_id`: the team that supplied it; `received_at`: only officers and systems date a tip."""

    unit: UnitId
    content: Text
    topic: Word | None = None
    channel: Channel | None = None
    team_id: UUID | None = None
    occurred_at: Instant | None = None
    received_at: Instant | None = None


class TipReceived(BaseModel):
    """The acknowledgement: the tip is durable. `receipt`: 16 digits that only the sender gets, to ask after it."""

    id: UUID
    receipt: str = Field(pattern=r"^\d{16}$")
    unit: str
    state: TipState
    received_at: AwareDatetime


class TipOut(BaseModel):
    """A tip as the police see it."""

    id: UUID
    unit: str
    content: str
    topic: str | None
    channel: str
    supplied_by: SuppliedBy
    team_id: UUID | None
    state: TipState
    classified_as: TipClass | None
    occurred_at: AwareDatetime | None
    received_at: AwareDatetime
    received_on: date
    outcome: Literal["resolved", "rejected"] | None
    closed_on: date | None
    version: int


class TipStatus(BaseModel):
    """What the holder of a receipt may see: nothing of the content."""

    state: TipState
    received_at: AwareDatetime
    closed_on: date | None


class TipPage(BaseModel):
    """A page of tips, oldest first."""

    items: list[TipOut]


class ListTips(Page):
    """Tips of a unit and all below it, in a state."""

    unit: Annotated[UnitId | None, Query()] = None
    state: Annotated[TipState | None, Query()] = None


class ClassifyTip(StepInput):
    """The official class of the tip (Circular 28/2020/TT-BCA and the Criminal Procedure Code, art. 144)."""

    classified_as: TipClass


class CorrectTip(Input):
    """What was entered wrongly, with the reason; a field that is left out stays."""

    reason: Line
    unit: UnitId | None = None
    content: Text | None = None
    topic: Word | None = None
    team_id: UUID | None = None
    occurred_at: Instant | None = None
    received_at: Instant | None = None
