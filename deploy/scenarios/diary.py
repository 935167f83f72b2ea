"""What every scenario is written with: the requests of a province's users, day by day, and how often things go wrong.

A scenario's `plan` invents what lies behind published figures: who did what when and where, which entry was wrong and
set right. Communes and days are real; teams, persons and cases are not.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Any, NamedTuple

from shared import units
from shared.access.permissions import TokenRole
from shared.days import VIETNAM

# What happens beside what counts, as parts of a thousand of what it happens to.
ENTERED_BY_LEADERS = 180
RETURNED = 30
WRONG_AT_FIRST = 60
MISDATED = 15

FAMILY = ["Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Phan", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý"]
MIDDLE = ["Văn", "Thị", "Hữu", "Minh", "Thanh", "Quốc", "Ngọc", "Đức", "Kim", "Hoàng", "Xuân", "Công"]
GIVEN = [
    "An", "Bình", "Cường", "Dũng", "Hà", "Hải", "Hạnh", "Hiếu", "Hòa", "Hùng", "Khánh", "Lan", "Long", "Mai",
    "Nam", "Nga", "Nghĩa", "Phúc", "Phương", "Quang", "Sơn", "Tâm", "Thảo", "Thắng", "Thủy", "Trung", "Tú", "Vinh",
]  # fmt: skip
ORIGINS = {"ward_guard": 45, "part_time_police": 15, "civil_defence": 30, "recruited": 10}


class Caller(NamedTuple):
    """Who sends a request: a role in a unit, and for a leader the team, by its name in the plan."""

    role: TokenRole
    unit: str
    team: str = ""


class Id(str):
    """In a body: the id that the system gave to the thing of this name."""


class Request(NamedTuple):
    """One POST. `at`: when it was sent, then; `thing`: what it is about, by its name in the plan.

    A path with `{}` takes the thing's id; without, the request makes the thing and its answer gives the id.
    A request is sent once the earlier ones about its thing, and about those that it names, are answered.
    """

    at: datetime
    caller: Caller
    path: str
    thing: str
    body: dict[str, Any]


class Team(NamedTuple):
    """A team of the plan."""

    name: str
    unit: str


@dataclass
class Diary:
    """The plan while it is being written: of a place, from its first day to its last."""

    random: Random
    place: str
    first: date
    last: date
    requests: list[Request] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    # The leaders and deputies, by their names in the plan, and the unit of each.
    heads: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.days = [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]
        self._busy = list(accumulate(13 if day.weekday() >= 5 else 10 for day in self.days))

    def post(self, at: datetime, caller: Caller, path: str, thing: str, **body: Any) -> None:
        """Write down one request."""
        self.requests.append(Request(at, caller, path, thing, body))

    def chance(self, per_thousand: int) -> bool:
        """Whether something happens that happens so often."""
        return self.random.randrange(1000) < per_thousand

    def choose(self, weights: dict[str, int]) -> str:
        """One of the keys, each as often as its weight says."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def day(self) -> date:
        """A day of the period; on Saturdays and Sundays there is a little more to do."""
        return self.random.choices(self.days, cum_weights=self._busy)[0]

    def moment(self, day: date, from_hour: int, to_hour: int) -> datetime:
        """A minute of that day between two hours."""
        return midnight(day) + timedelta(minutes=self.random.randrange(from_hour * 60, to_hour * 60))

    def later(self, at: datetime, least: int, most: int) -> datetime:
        """Between so many minutes later."""
        return at + timedelta(minutes=self.random.randint(least, most))

    def parts(self, total: int, number: int, spread: float = 0.4) -> list[int]:
        """The total in so many parts of at least one each, more unlike each other the larger the spread."""
        assert number <= total
        weights = [self.random.lognormvariate(0, spread) for _ in range(number)]
        cuts = [0, *(round((total - number) * up_to / sum(weights)) for up_to in accumulate(weights))]
        return [1 + after - before for before, after in pairwise(cuts)]

    def communes(self) -> list[str]:
        """Every commune of the place."""
        below = units.children(self.place)
        return [commune for unit in below for commune in (units.children(unit) or (unit,))]


def midnight(day: date) -> datetime:
    """The first instant of a day in Viet Nam."""
    return datetime.combine(day, time(), VIETNAM)


def officer(unit: str) -> Caller:
    """The commune police of a commune."""
    return Caller("commune_officer", unit)


def found_teams(diary: Diary, number: int, members: int, hamlets: dict[str, str]) -> None:
    """For the first day the communes form their teams: a leader and a deputy each, and so many members in all.

    `hamlets` is what a hamlet is called in a commune of each type.
    """
    random, communes = diary.random, diary.communes()
    weights = [random.lognormvariate(0, 0.5) for _ in communes]
    # Each commune has one before any has a second.
    homes = random.sample(communes, min(number, len(communes)))
    homes += random.choices(communes, weights, k=number - len(homes))
    at, in_commune = midnight(diary.first - timedelta(days=2)), dict.fromkeys(communes, 0)
    for index, unit in enumerate(sorted(homes)):
        in_commune[unit] += 1
        commune = units.get(unit)
        assert commune is not None
        signer = f"Chủ tịch UBND {commune.name[0].lower()}{commune.name[1:]}"
        team = Team(f"team {index}", unit)
        diary.teams.append(team)
        at += timedelta(seconds=30)
        diary.post(
            at,
            officer(unit),
            "/teams/v1/teams",
            team.name,
            unit=unit,
            name=f"Tổ bảo vệ ANTT {hamlets[commune.type]} {in_commune[unit]}",
            from_on=diary.first.isoformat(),
            decision=_decision(diary, signer),
        )
        ordinary = members * (index + 1) // number - members * index // number
        for place, role in enumerate(("leader", "deputy", *("member",) * ordinary)):
            at += timedelta(seconds=1)
            person = f"person {place} of {team.name}"
            diary.post(
                at,
                officer(unit),
                "/teams/v1/members",
                person,
                team_id=Id(team.name),
                full_name=f"{random.choice(FAMILY)} {random.choice(MIDDLE)} {random.choice(GIVEN)}",
                born_on=(date(1957, 1, 1) + timedelta(days=random.randrange(45 * 365))).isoformat(),
                origin=diary.choose(ORIGINS),
                role=role,
                from_on=diary.first.isoformat(),
                decision=_decision(diary, signer),
            )
            if role != "member":
                diary.heads.append((person, unit))


def _decision(diary: Diary, signer: str) -> dict[str, str]:
    signed_on = diary.first - timedelta(days=diary.random.randint(1, 12))
    return {
        "number": f"{diary.random.randint(60, 400)}/QĐ-UBND",
        "signed_on": signed_on.isoformat(),
        "signer": signer,
    }


def _a_year_before(instant: str) -> str:
    return (datetime.fromisoformat(instant) - timedelta(days=365)).isoformat()


def enter(
    diary: Diary,
    activity: str,
    hours: tuple[int, int],
    *,
    day: date | None = None,
    slip: dict[str, Any] | None = None,
    never_confirmed: bool = False,
    **given: Any,
) -> tuple[Team, datetime, datetime]:
    """One activity of some team, entered until it is confirmed; the team, when it began, and when all was entered.

    `slip`: what is entered wrongly at first, some of the times; some others have a day of the year before.
    """
    team = diary.random.choice(diary.teams)
    started_at = diary.moment(day or diary.day(), *hours)
    ended_at = diary.later(started_at, 45, 240)
    police, leader = officer(team.unit), Caller("team_leader", team.unit, team.name)
    entry = {
        **given,
        "unit": team.unit,
        "team_id": Id(team.name),
        "started_at": started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
    }
    at = diary.later(ended_at, 5, 120)
    wrong: dict[str, Any] = {}
    if slip and diary.chance(WRONG_AT_FIRST):
        wrong = slip
    elif diary.chance(MISDATED):
        wrong = {name: _a_year_before(entry[name]) for name in ("started_at", "ended_at")}

    def step(name: str, caller: Caller, **body: Any) -> None:
        nonlocal at
        at = diary.later(at, 30, 900)
        diary.post(at, caller, f"/incidents/v1/activities/{{}}/{name}", activity, **body)

    if not (never_confirmed or diary.chance(ENTERED_BY_LEADERS)):
        diary.post(at, police, "/incidents/v1/activities", activity, **(entry | wrong))
        if wrong:
            step("correct", police, reason="Nhập sai, đối chiếu lại sổ theo dõi", activity=entry)
        return team, started_at, at
    diary.post(at, leader, "/incidents/v1/activities", activity, **(entry | wrong))
    if never_confirmed or wrong or diary.chance(RETURNED):
        step("return", police, reason="Đề nghị kiểm tra lại thời gian và số liệu")
    if never_confirmed:
        return team, started_at, at
    if diary.requests[-1].path.endswith("return"):
        step("correct", leader, reason="Đã kiểm tra, nhập lại", activity=entry)
    step("confirm", police)
    return team, started_at, at
