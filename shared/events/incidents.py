"""The facts of tips, cases and activities that may ever be counted, and the events by which incidents reports their changes."""

from datetime import date
from typing import Literal

import msgspec

from shared.events import files

TipState = Literal[
    "received", "reported", "classified", "verifying", "forwarded", "resolved", "rejected", "notified",
    "withdrawn", "merged",
]  # fmt: skip
Channel = Literal["web", "app", "hotline", "in_person", "team", "officer", "system"]
SuppliedBy = Literal["citizen", "team", "officer", "system"]
TipClass = Literal[
    "denunciation_of_crime", "crime_report", "recommendation_to_prosecute", "complaint_denunciation", "feedback",
    "administrative", "civil", "duplicate", "not_competent",
]  # fmt: skip
DeadlineState = Literal["running", "met", "late", "missed", "void"]
FoundThrough = Literal["tip", "patrol", "other"]
CaseState = Literal["open", "resolved", "transferred", "withdrawn"]
LinkKind = Literal["tip", "patrol", "activity"]
Measure = Literal[
    "reminder", "mediation", "warning", "fine", "confiscation", "commune_education", "compulsory_measure",
    "handed_over",
]  # fmt: skip
SeizedKind = Literal[
    "weapons", "ammunition", "explosives", "support_tools", "firecrackers", "drugs", "vehicles", "money", "other",
]  # fmt: skip
SeizedUnit = Literal["piece", "round", "gram", "metre", "milligram", "millilitre", "dong"]
ActivityKind = Literal[
    "patrol", "traffic_control", "security_duty", "outreach", "counselling", "fire_rescue", "administrative_support",
    "surrender", "mobilisation",
]  # fmt: skip
PatrolForm = Literal["alone", "joint"]
OutreachForm = Literal["mass", "targeted", "individual"]
FireRescueForm = Literal["fire_fighting", "rescue"]
ItemKind = Literal["weapons", "ammunition", "explosives", "support_tools", "firecrackers"]
ItemUnit = Literal["piece", "round", "gram", "metre"]
ActivityState = Literal["entered", "confirmed", "returned"]


class Tip(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tip (tin báo), counted on the civil day it was received."""

    unit: str
    received_on: date
    state: TipState
    supplied_by: SuppliedBy
    classified_as: TipClass | None = None
    # How it was closed, which stays when the informant is notified of it.
    outcome: Literal["resolved", "rejected"] | None = None
    closed_on: date | None = None
    channel: Channel | None = None
    topic: str | None = None
    # Whether its sender said who they are; never who.
    named: bool = False


class Deadline(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deadline (thời hạn) of a tip, counted on the day it ends: met in time, missed, or late, which is missed and done.

    `unit`: whose police had to meet it; `classified_as` and `difficult`: by which rule; `name`: as deadlines.toml calls it.
    """

    unit: str
    name: str
    due_on: date
    state: DeadlineState
    classified_as: TipClass | None = None
    difficult: bool = False
    complex: bool = False
    extended: bool = False


class Handled(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many persons of a case met a measure, each of them with the heaviest only; never who."""

    measure: Measure
    persons: int = 0
    fines_dong: int = 0


class Seized(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was seized in a case, in whole numbers of its unit."""

    kind: SeizedKind
    quantity: int
    unit: SeizedUnit


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """A case (vụ việc), counted on the days it was found, resolved, transferred, and persons of it were handled."""

    unit: str
    kind: str
    found_on: date
    # The tip before the patrol, of a case that has both. Events older than the links say no more than this.
    found_through: FoundThrough
    resolved_on: date | None = None
    # How many of each the case is linked to.
    tips: int = 0
    patrols: int = 0
    activities: int = 0
    # How many of its tips the force supplied, as they said when they were linked; events of before don't say.
    force_tips: int = 0
    transferred_on: date | None = None
    handled_on: date | None = None
    handled: tuple[Handled, ...] = ()
    seized: tuple[Seized, ...] = ()


class Item(msgspec.Struct, frozen=True):
    """Things of one kind that were found or handed in, in one unit of count."""

    item: ItemKind
    quantity: int
    unit: ItemUnit
    means: Literal["found", "handed_in"]


class Activity(msgspec.Struct, frozen=True, omit_defaults=True):
    """An activity of the force, counted on the civil day it began once it is confirmed.

    Which kind has which quantities: services/incidents/activities/kinds.py. `members`: how many took part.
    """

    kind: ActivityKind
    unit: str
    held_on: date
    state: ActivityState
    turns: int = 0
    form: PatrolForm | OutreachForm | FireRescueForm | None = None
    members: int = 0
    found_cases: int = 0
    sessions: int = 0
    attendances: int = 0
    leaflets: int = 0
    person_turns: int = 0
    persons: int = 0
    persons_rescued: int = 0
    items: tuple[Item, ...] = ()
    # Of what a team entered: the day it began to wait for the police, the last day in time, the day it was confirmed.
    entered_on: date | None = None
    confirm_by: date | None = None
    confirmed_on: date | None = None


Fact = Tip | Deadline | Case | Activity | files.Fact

EVENTS: dict[str, type[Fact]] = {
    "TipReceived": Tip,
    "TipReported": Tip,
    "TipClassified": Tip,
    "TipVerificationStarted": Tip,
    "TipForwarded": Tip,
    "TipResolved": Tip,
    "TipRejected": Tip,
    "InformantNotified": Tip,
    "TipWithdrawn": Tip,
    "TipCorrected": Tip,
    "TipReopened": Tip,
    "TipAssigned": Tip,
    "TipForwardingAcknowledged": Tip,
    "TipTakenOver": Tip,
    "TipSentBack": Tip,
    "TipMerged": Tip,
    "TipSplit": Tip,
    "InformantAsked": Tip,
    "InformantWrote": Tip,
    "DeadlineMet": Deadline,
    "DeadlineMissed": Deadline,
    "DeadlineExtended": Deadline,
    "DeadlineChanged": Deadline,
    "CaseOpened": Case,
    "CaseResolved": Case,
    "CaseTransferred": Case,
    "CaseReopened": Case,
    "CaseCorrected": Case,
    "CaseWithdrawn": Case,
    "CaseLinked": Case,
    "CaseUnlinked": Case,
    "ActivityEntered": Activity,
    "ActivityConfirmed": Activity,
    "ActivityReturned": Activity,
    "ActivityCorrected": Activity,
    **files.EVENTS,
}
