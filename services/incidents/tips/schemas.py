"""What crosses HTTP about tips."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, Strict

from services.incidents.places.schemas import HamletCode, Latitude, Longitude
from shared.days import Day, Instant
from shared.errors import Problem
from shared.events.incidents import Channel, SuppliedBy, TipClass, TipState
from shared.http import Input, LeftOut, Output
from shared.http import Step as StepInput
from shared.listing import ExportQuery, ListQuery, Search, Sought
from shared.text import Line, Text, UnitId, Word


class TooManyMessages(Problem):
    """The sender has written as often to a tip as one may; questions of the police don't count."""

    status, name = 409, "too-many-messages"
    vi, en = (
        "Đã gửi đủ số lần bổ sung cho tin này; hãy liên hệ trực tiếp Công an cấp xã.",
        "No more can be added to this tip; speak to the commune's police directly.",
    )


class HasDuplicates(Problem):
    """`tips`: ten at most of those that were merged into this one."""

    status, name = 409, "has-duplicates"
    vi, en = (
        "Còn tin khác đã nhập vào tin này; hãy tách các tin đó ra trước.",
        "Other tips were merged into this one; split them first.",
    )


class Point(Input):
    """Where something happened, in degrees of WGS 84."""

    longitude: Longitude
    latitude: Latitude


class ReportedBy(Input):
    """Who reports a tip, if they wish to say so; kept sealed, shown only with a reason (tips/informants.py).

    A telephone is taken however it is written, an identity number has 12 digits, or 9 as it had before 2021. What is
    none costs no tip: it is left out, and `left_out` of the answer says so.
    """

    full_name: Line
    phone: Line | None = None
    email: Line | None = None
    address: Line | None = None
    identity_number: Line | None = None


class ReportTip(Input):
    """A tip as it comes in. `team_id`: the team that supplied it; `received_at`: only officers and systems date a tip.

    Where: `unit`, a `hamlet` of the province's list (of that unit, if both are named), or a `point` in a commune whose
    boundary is loaded; beside the others a point is only kept. `reference`: the number that another system gave it, unique there.
    """

    unit: UnitId | None = None
    hamlet: HamletCode | None = None
    point: Point | None = None
    content: Text
    topic: Word | None = None
    channel: Channel | None = None
    team_id: UUID | None = None
    reference: Line | None = None
    informant: ReportedBy | None = None
    occurred_at: Instant | None = None
    received_at: Instant | None = None


MessageKind = Literal["question", "answer", "addition"]


class TipReceived(BaseModel):
    """The acknowledgement: the tip is durable. `receipt`: 16 digits that only the sender gets, to ask after it."""

    id: UUID
    receipt: str = Field(pattern=r"^\d{16}$")
    unit: str
    state: TipState
    received_at: AwareDatetime
    left_out: list[LeftOut] = []


class TipOut(Output):
    """A tip as the police see it."""

    id: UUID
    unit: str
    hamlet: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    content: str
    topic: str | None
    channel: Channel
    supplied_by: SuppliedBy
    team_id: UUID | None
    named: bool
    source_system: str | None = None
    reference: str | None = None
    state: TipState
    classified_as: TipClass | None
    handled_by: str
    officer: str | None = None
    forwarded_to: str | None = None
    merged_into: UUID | None = None
    occurred_at: AwareDatetime | None
    received_at: AwareDatetime
    received_on: date
    outcome: Literal["resolved", "rejected"] | None
    closed_on: date | None
    version: int


class Due(BaseModel):
    """What must still be done about a tip, and until when. `name`: as the deadlines of the tip name it."""

    name: str
    due_at: AwareDatetime
    overdue: bool


class TipShown(TipOut):
    """A tip as it is read, with what its police (`handled_by`) must still do, the first to end first."""

    due: list[Due]


class MessageOut(Output):
    """What was written between the police and the sender: a `question`, its `answer`, or an `addition`."""

    id: UUID
    kind: MessageKind
    answers: UUID | None
    content: str
    written_at: AwareDatetime


class TipStatus(BaseModel):
    """What the holder of a receipt may see: how the tip stands and what was written since; nothing of its content."""

    state: TipState
    received_at: AwareDatetime
    closed_on: date | None
    messages: list[MessageOut]


class TipPage(BaseModel):
    """A page of tips, in the order of their receipt."""

    items: list[TipShown]


class SearchTips(Search):
    """Which tips: all that is given must hold. The period is of the day of receipt.

    `deadline`: one of its deadlines ends within 48 hours, or has ended and must still be met.
    `text`: words, all of which the tip must hold, in any order; diacritics and the place of a tone make no difference.
    """

    text: Annotated[Sought | None, Query()] = None
    state: Annotated[TipState | None, Query()] = None
    classified_as: Annotated[TipClass | None, Query()] = None
    topic: Annotated[Word | None, Query()] = None
    channel: Annotated[Channel | None, Query()] = None
    officer: Annotated[Line | None, Query()] = None
    team_id: Annotated[UUID | None, Query()] = None
    deadline: Annotated[Literal["due_soon", "overdue"] | None, Query()] = None


class ListTips(SearchTips, ListQuery):
    """A page of them."""


class ExportTips(SearchTips, ExportQuery):
    """A file of them."""

    free_words: ClassVar = frozenset({"text", "officer"})


class AskDuplicates(Input):
    """How many days before and after a tip others may have been received that are about the same."""

    days: Annotated[int, Query(ge=1, le=30)] = 7


class CheckDuplicates(Input):
    """A tip that is about to be entered; `received_at`: now if left out. Nothing of it is kept."""

    unit: UnitId
    content: Text
    occurred_at: Instant | None = None
    received_at: Instant | None = None
    days: Annotated[int, Strict(), Field(ge=1, le=30)] = 7


class Why(BaseModel):
    """The parts of a score, each from 0 to 1: how alike the words are, how near the times, how near the places."""

    text: float
    time: float
    place: float


class SuggestedDuplicate(BaseModel):
    """A tip that may be about the same; `score` from 0 to 1. `content` is null for who may not read this tip, such
    as one of the commune beside theirs."""

    id: UUID
    unit: str
    state: TipState
    received_at: AwareDatetime
    content: str | None
    score: float
    why: Why


class Suggestions(BaseModel):
    """At most ten tips that may be about the same, the likeliest first; whether they are, a person decides."""

    items: list[SuggestedDuplicate]


class ClassifyTip(StepInput):
    """The official class of the tip (Circular 28/2020/TT-BCA and the Criminal Procedure Code, art. 144)."""

    classified_as: TipClass


class AssignTip(StepInput):
    """The officer who shall handle the tip, as tokens name them; none: nobody in particular."""

    officer: Line | None


class ForwardTip(StepInput):
    """Where the tip goes: another commune of the province, or an agency; none named: the investigation body."""

    unit: UnitId | None = None
    agency: Line | None = None


class AcknowledgeForwarding(StepInput):
    """The receiving body's acknowledgement: its number, the day, and who received it there."""

    number: Line
    received_on: Day
    received_by: Line | None = None


class MergeTip(StepInput):
    """The tip that is about the same and goes on alone."""

    into: UUID


class AskInformant(Input):
    """A question to the sender, who sees it with the receipt."""

    question: Text


class WriteByReceipt(Input):
    """What the sender answers or adds; `answers`: the question it answers."""

    content: Text
    answers: UUID | None = None


class LookAtInformant(Input):
    """Why the informant's identity must be known; it is kept beside who looked and when."""

    reason: Line


class InformantOut(BaseModel):
    """Who reported a tip."""

    full_name: str
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    identity_number: str | None = None


class LookOut(BaseModel):
    """One look at an informant's identity."""

    looked_by: str
    looked_at: AwareDatetime
    reason: str


class CorrectTip(Input):
    """What was entered wrongly, with the reason; a field that is left out stays.

    Another `unit` without a `hamlet` forgets the hamlet, and the point where loaded boundaries show it in yet another commune.
    """

    reason: Line
    unit: UnitId | None = None
    hamlet: HamletCode | None = None
    content: Text | None = None
    topic: Word | None = None
    team_id: UUID | None = None
    occurred_at: Instant | None = None
    received_at: Instant | None = None
