"""What services tell each other: the facts that may ever be counted, and the events that change them.

An event carries the fact `before` and `after` it happened, and never personal data: no content, no
name, no receipt. `links` holds identifiers that subscribers follow and that no counter looks at.
A field may be added with a default; none is renamed or removed, for the outbox keeps events for ever.
"""

from datetime import date
from typing import Any, Generic, Literal, TypeVar

import msgspec

DATA_VERSION = 1

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
Role = Literal["leader", "deputy", "member"]


class Tip(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tip (tin báo), counted on the civil day it was received."""

    unit: str
    received_on: date
    state: TipState
    supplied_by: SuppliedBy
    classified_as: TipClass | None = None
    # How it was closed, which stays when the informant is told of it.
    outcome: Literal["resolved", "rejected"] | None = None
    closed_on: date | None = None
    channel: Channel | None = None
    topic: str | None = None
    # Whether its sender told who they are; never who.
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
    # The tip before the patrol, of a case that has both. Events older than the links tell no more than this.
    found_through: FoundThrough
    resolved_on: date | None = None
    # How many of each the case is linked to.
    tips: int = 0
    patrols: int = 0
    activities: int = 0
    # How many of its tips the force supplied, as they said when they were linked; events of before don't tell.
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

    Which kind tells which quantities: services/incidents/activities/kinds.py. `members`: how many took part.
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


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a tip, a case or an activity, in the unit of that record; never its name or its content's hash."""

    unit: str
    of: Literal["tips", "cases", "activities"]
    media_type: str
    bytes: int


class Team(msgspec.Struct, frozen=True, omit_defaults=True):
    """A team (Tổ bảo vệ ANTT) and the days on which it exists, both inclusive."""

    unit: str
    from_on: date
    until_on: date | None = None


class MemberTerm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member's time in one role of one team, both days inclusive."""

    unit: str
    role: Role
    from_on: date
    until_on: date | None = None


class TrainingClass(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training class (lớp tập huấn), counted on its last day."""

    unit: str
    held_on: date


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training certificate given to a member, counted on the day of issue."""

    unit: str
    issued_on: date
    role: Role


Fact = Tip | Deadline | Case | Activity | Attachment | Team | MemberTerm | TrainingClass | Certificate

# Which fact each event tells of. A consumer that meets a type that is not here stops: it is older than its source.
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
    "AttachmentAdded": Attachment,
    "AttachmentRemoved": Attachment,
    "TeamCreated": Team,
    "TeamChanged": Team,
    "TeamPlaced": Team,
    "TeamDissolved": Team,
    "TeamCorrected": Team,
    "TeamWithdrawn": Team,
    "MemberRecognised": MemberTerm,
    "MemberChanged": MemberTerm,
    "MemberReleased": MemberTerm,
    "MemberRoleChanged": MemberTerm,
    "MemberPlaced": MemberTerm,
    "MemberTermCorrected": MemberTerm,
    "MemberTermWithdrawn": MemberTerm,
    "TrainingHeld": TrainingClass,
    "TrainingCorrected": TrainingClass,
    "TrainingWithdrawn": TrainingClass,
    "CertificateIssued": Certificate,
    "CertificateRevoked": Certificate,
    "CertificateCorrected": Certificate,
}

# The facts that teams tells of; all others are told by incidents.
FACTS_OF_TEAMS: tuple[type[Fact], ...] = (Team, MemberTerm, TrainingClass, Certificate)

# States in which a record no longer stands: a subscriber that mirrors records takes it away.
GONE = frozenset({"withdrawn", "merged", "returned", "removed"})

AnyFact = TypeVar("AnyFact")


class Change(msgspec.Struct, Generic[AnyFact], frozen=True, omit_defaults=True):
    """The data of an event: the fact before and after it, and for subscribers identifiers, and the units that it concerns
    beside those of its facts: whose police handle the record, or are asked to."""

    before: AnyFact | None = None
    after: AnyFact | None = None
    links: dict[str, str] = {}
    concerns: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decoders = {of: msgspec.json.Decoder(Change[of]) for of in set(EVENTS.values())}  # type: ignore[valid-type]


def told_by(type: str) -> Literal["teams", "incidents"]:
    """The service that tells of an event."""
    return "teams" if EVENTS[type] in FACTS_OF_TEAMS else "incidents"


class UnknownEvent(Exception):
    """An event of a type or version that this code does not know; it is never skipped."""


def encode(change: Change[Any]) -> str:
    """The event's data as it stands in the outbox and on the log: JSON."""
    return _encode(change).decode()


def decode(type: str, version: int, data: bytes) -> Change[Any]:
    """The change that an event tells of. Raises UnknownEvent, or msgspec.DecodeError when the data is broken."""
    of = EVENTS.get(type)
    if of is None or version > DATA_VERSION:
        raise UnknownEvent(f"{type} version {version}")
    return _decoders[of].decode(data)
