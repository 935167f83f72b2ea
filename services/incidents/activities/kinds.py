"""The kinds of activity: what is entered of each, and the table of them. A new kind is one model and one row of KINDS.

A field that the fact of an activity (shared/events/incidents.py) has too, by the same name, is what may be counted of
it; the others are kept and shown. Quantities are whole numbers in the unit that the kind's row names.
"""

from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import Field, Strict, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from shared.days import Day, Instant
from shared.events.incidents import ActivityKind, FireRescueForm, ItemKind, ItemUnit, OutreachForm, PatrolForm
from shared.http import Input
from shared.text import Line, UnitId, Word

# No single activity comes near these; what does is a slip of the pen.
Count = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Some = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Turns = Annotated[int, Strict(), Field(ge=1, le=100_000)]

# Tết duty is a week; what is longer is several activities, or a slip of the pen.
A_WEEK = timedelta(days=7)


class EnterActivity(Input):
    """What every kind of activity has: where, by which team, from when to when, who took part.

    `unit` is a commune, district or province; a team leader's `team_id` is the own team unless named.
    `hamlets` have no national code: they are called as the team's record calls them. `members`: how many
    members took part, with or without `member_ids`, their ids in the registry; never their names. `reference`: the
    number that the sending system gave it, unique there; a correction leaves it as it is.
    """

    kind: ActivityKind
    unit: UnitId
    team_id: UUID | None = None
    started_at: Instant
    ended_at: Instant
    reference: Line | None = None
    hamlets: Annotated[list[Line], Field(max_length=50, default_factory=list)]
    members: Annotated[int, Strict(), Field(ge=0, le=10_000)] | None = None
    member_ids: Annotated[list[UUID], Field(max_length=500, default_factory=list)]

    @model_validator(mode="after")
    def _count_members(self) -> Self:
        if not self.member_ids:
            return self
        if len(set(self.member_ids)) < len(self.member_ids):
            raise _contradiction("member_ids: each member once")
        if self.members is None:
            return self.model_copy(update={"members": len(self.member_ids)})
        if self.members < len(self.member_ids):
            raise _contradiction("members: fewer than member_ids names")
        return self


class Patrol(EnterActivity):
    """A patrol (tuần tra), alone or together with the police, which `joint` says too.

    `found_cases`: how many cases (vụ việc) the team says it found; each counts as found once it is opened as
    a case that names this patrol.
    """

    kind: Literal["patrol"]
    form: PatrolForm | None = None
    joint: StrictBool | None = None
    route: Line | None = None
    found_cases: Annotated[int, Strict(), Field(ge=0, le=1_000)] = 0

    @model_validator(mode="after")
    def _tell_form(self) -> Self:
        joint = self.form == "joint" if self.form else bool(self.joint)
        if self.joint not in (None, joint):
            raise _contradiction("joint: form says otherwise")
        return self.model_copy(update={"form": "joint" if joint else "alone", "joint": joint})


class TrafficControl(EnterActivity):
    """Directing traffic (hướng dẫn, phân luồng giao thông), counted in turns (lượt)."""

    kind: Literal["traffic_control"]
    turns: Turns


class SecurityDuty(EnterActivity):
    """Guarding an event or a target (bảo vệ ANTT)."""

    kind: Literal["security_duty"]
    target: Line | None = None


class Outreach(EnterActivity):
    """Calling on people to keep order (phát động phong trào): of everyone, of a group, or of single persons.

    A `mass` or `targeted` one gives its `sessions` (cuộc) and `attendances` (lượt người); an `individual` one
    (vận động cá biệt) its `person_turns` (lượt người). Each may give the `leaflets` (tài liệu) given out.
    """

    kind: Literal["outreach"]
    form: OutreachForm
    topic: Word | None = None
    sessions: Annotated[int, Strict(), Field(ge=0, le=1_000)] = 0
    attendances: Count = 0
    leaflets: Count = 0
    person_turns: Count = 0

    @model_validator(mode="after")
    def _keep_units_apart(self) -> Self:
        if self.form == "individual":
            if self.sessions or self.attendances:
                raise _contradiction("sessions, attendances: individual outreach is counted in person_turns")
            if not self.person_turns:
                raise _contradiction("person_turns: how many is missing")
        else:
            if self.person_turns:
                raise _contradiction("person_turns: only individual outreach is counted in them")
            if not self.sessions:
                raise _contradiction("sessions: how many is missing")
        return self


class Counselling(EnterActivity):
    """Calling in, educating and reforming people who broke the law (gọi hỏi, giáo dục, cảm hóa), counted in persons.

    `about` is a word of the province's list of groups; persons are never named.
    """

    kind: Literal["counselling"]
    persons: Some
    about: Word | None = None


class FireRescue(EnterActivity):
    """Fire fighting or rescue (PCCC & CNCH); `persons_rescued` (người) were brought to safety."""

    kind: Literal["fire_rescue"]
    form: FireRescueForm
    persons_rescued: Annotated[int, Strict(), Field(ge=0, le=10_000)] = 0


class AdministrativeSupport(EnterActivity):
    """Help with keeping the administrative order (quản lý hành chính về trật tự xã hội), counted in turns (lượt).

    `task` is a word of the province's list: residence_check, identity_cards, conditional_business …
    """

    kind: Literal["administrative_support"]
    turns: Turns
    task: Word | None = None


class SurrenderedItem(Input):
    """What was found or handed in: how much of it, in a unit in which such an item is counted (ITEM_UNITS)."""

    item: ItemKind
    quantity: Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
    unit: ItemUnit
    means: Literal["found", "handed_in"]
    name: Line | None = None

    @model_validator(mode="after")
    def _in_its_unit(self) -> Self:
        if self.unit not in ITEM_UNITS[self.item]:
            raise _contradiction(f"unit: {self.item} are counted in {' or '.join(ITEM_UNITS[self.item])}")
        return self


# In which units an item is counted, with what a person reads; two of them are never added.
ITEM_UNITS: dict[ItemKind, dict[ItemUnit, str]] = {
    "weapons": {"piece": "khẩu, chiếc"},
    "ammunition": {"round": "viên"},
    "explosives": {"gram": "gam", "piece": "kíp", "metre": "mét"},
    "support_tools": {"piece": "công cụ"},
    "firecrackers": {"piece": "quả", "gram": "gam"},
}


class Surrender(EnterActivity):
    """Weapons, explosives, support tools and firecrackers that people were moved to hand in, or that were found."""

    kind: Literal["surrender"]
    items: Annotated[list[SurrenderedItem], Field(min_length=1, max_length=50)]


class Order(Input):
    """The order that sends a team outside its area: its number, the day it was signed and by whom."""

    number: Line
    signed_on: Day
    signer: Line


class Mobilisation(EnterActivity):
    """Duty outside the own area (điều động, huy động) by an order, from `started_at` to `ended_at`.

    `unit` is the team's own, in which it counts; `sent_to` is where it was sent, a unit of the day's edition,
    of any province.
    """

    kind: Literal["mobilisation"]
    order: Order
    sent_to: UnitId
    place: Line | None = None
    task: Word | None = None


class KindRow(NamedTuple):
    """One kind of activity: what is entered of it, its official name, the unit in which it is counted first.

    `quantities` are all the units in which indicators count it, by the field that says how many.
    """

    input: type[EnterActivity]
    vietnamese: str
    unit_of_count: str
    quantities: dict[str, str] = {}  # noqa: RUF012 (nobody changes it)
    longest: timedelta = A_WEEK


# A new kind's name also joins ActivityKind (shared/events/incidents.py), and what shall be counted of it joins INDICATORS.
# Routes, commands, the database and the documentation take the rest from here.
KINDS: dict[ActivityKind, KindRow] = {
    "patrol": KindRow(Patrol, "tuần tra", "cuộc", {"found_cases": "vụ việc"}),
    "traffic_control": KindRow(TrafficControl, "hướng dẫn, phân luồng giao thông", "lượt", {"turns": "lượt"}),
    "security_duty": KindRow(SecurityDuty, "bảo vệ ANTT", "cuộc"),
    "outreach": KindRow(
        Outreach,
        "phát động phong trào, tuyên truyền, vận động",
        "cuộc",
        {"sessions": "cuộc", "attendances": "lượt người", "leaflets": "tài liệu", "person_turns": "lượt người"},
    ),
    "counselling": KindRow(Counselling, "gọi hỏi, giáo dục, cảm hóa", "đối tượng", {"persons": "đối tượng"}),
    "fire_rescue": KindRow(FireRescue, "phòng cháy, chữa cháy và cứu nạn, cứu hộ", "vụ", {"persons_rescued": "người"}),
    "administrative_support": KindRow(
        AdministrativeSupport, "hỗ trợ quản lý hành chính về trật tự xã hội", "lượt", {"turns": "lượt"}
    ),
    "surrender": KindRow(
        Surrender,
        "vận động giao nộp, thu hồi vũ khí, vật liệu nổ, công cụ hỗ trợ, pháo",
        "lần",
        {f"items.{item}.{unit}": word for item, of in ITEM_UNITS.items() for unit, word in of.items()},
    ),
    # An order may keep a team away for months.
    "mobilisation": KindRow(Mobilisation, "điều động, huy động ngoài địa bàn", "cuộc", longest=timedelta(days=366)),
}

# The fields that every kind has, and those that only this one has.
COMMON_FIELDS = frozenset(EnterActivity.model_fields)
OWN_FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(field for field in kind.input.model_fields if field not in COMMON_FIELDS)
    for name, kind in KINDS.items()
}

if TYPE_CHECKING:
    AnyActivity = EnterActivity
else:
    AnyActivity = Annotated[reduce(or_, (kind.input for kind in KINDS.values())), Field(discriminator="kind")]


def _contradiction(words: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", words)
