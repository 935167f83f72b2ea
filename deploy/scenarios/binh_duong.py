"""What Bình Dương's force did in the third quarter of 2024, request by request, as its users would have sent it.

The province published eight figures for the quarter, and nothing of what lies behind them. `plan` invents a
quarter that comes to exactly these figures: who patrolled when and where, who told of what, which entry was
wrong and set right. Communes and days are real; teams, persons and cases are not.
"""

import csv
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from shared import units
from shared.auth import TokenRole
from shared.days import VIETNAM

PROVINCE = "2024:74"
FIRST, LAST = date(2024, 7, 1), date(2024, 9, 30)
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
BUSY = list(accumulate(13 if day.weekday() >= 5 else 10 for day in DAYS))
SEED = 74

# What happens beside what counts, as parts of a thousand of what it happens to.
WITHDRAWN_TIPS = 14
MISDATED_TIPS = 12
MISPLACED_TIPS = 12
REJECTED_TIPS = 90
FORWARDED_TIPS = 160
UNRESOLVED_CASES = 60
REOPENED_CASES = 20
ENTERED_BY_LEADERS = 180
RETURNED = 30
NEVER_CONFIRMED = 10
MISCOUNTED_TURNS = 60

FAMILY = ["Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Phan", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý"]
MIDDLE = ["Văn", "Thị", "Hữu", "Minh", "Thanh", "Quốc", "Ngọc", "Đức", "Kim", "Hoàng", "Xuân", "Công"]
GIVEN = [
    "An", "Bình", "Cường", "Dũng", "Hà", "Hải", "Hạnh", "Hiếu", "Hòa", "Hùng", "Khánh", "Lan", "Long", "Mai",
    "Nam", "Nga", "Nghĩa", "Phúc", "Phương", "Quang", "Sơn", "Tâm", "Thảo", "Thắng", "Thủy", "Trung", "Tú", "Vinh",
]  # fmt: skip
ORIGINS = {"ward_guard": 45, "part_time_police": 15, "civil_defence": 30, "recruited": 10}

# What teams tell of: topic and kind of the case, and what the tip says.
TOPICS = {
    "theft": "Mất trộm xe máy trước dãy nhà trọ, camera ghi được một người lạ mặt.",
    "gambling": "Tụ tập đánh bạc trong nhà trọ vào buổi tối.",
    "public_disorder": "Nhóm thanh niên mang hung khí, có biểu hiện gây rối trật tự công cộng.",
    "drugs": "Nghi có người sử dụng trái phép chất ma túy trong khu đất trống.",
    "loan_sharking": "Người lạ dán tờ rơi cho vay, đến nhà đe dọa đòi nợ.",
    "domestic_violence": "Có tiếng cãi vã, đánh nhau trong gia đình, hàng xóm đề nghị can thiệp.",
    "noise": "Hát karaoke bằng loa kẹo kéo quá giờ quy định, đã nhắc nhở nhiều lần.",
    "illegal_residence": "Nhà trọ có nhiều người đến ở mà không thông báo lưu trú.",
    "fire": "Phát hiện khói trong kho phế liệu, đã báo và dập tắt kịp thời.",
    "fraud": "Người dân nhận cuộc gọi giả danh công an yêu cầu chuyển tiền.",
}
CLASSES = {"crime_report": 45, "administrative": 30, "feedback": 15, "civil": 8, "denunciation_of_crime": 2}
TARGETS = [
    "Lễ hội tại đình, chùa", "Kỳ thi tại trường học", "Chương trình văn nghệ", "Hội nghị tiếp xúc cử tri",
    "Giải bóng đá phong trào", "Lễ Quốc khánh 2/9", "Đêm hội trăng rằm", "Lễ khai giảng năm học mới",
]  # fmt: skip


class Figure(NamedTuple):
    """One published figure: the indicator, how the source words it, its value and what it counts."""

    indicator: str
    vietnamese: str
    value: int
    unit: str


class Caller(NamedTuple):
    """Who sends a request: a role in a unit, and for a leader the team, by its name in the plan."""

    role: TokenRole
    unit: str
    team: str = ""


class Id(str):
    """In a body: the id that the system gave to the thing of this name."""


class Request(NamedTuple):
    """One POST. `at`: when it was sent, then; `thing`: what it is about, by its name in the plan.

    A path with `{}` takes the thing's id; without, the request makes the thing and its answer tells the id.
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
    """The plan while it is being written."""

    random: Random
    requests: list[Request] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    # The leaders and deputies, by their names in the plan, and the unit of each.
    heads: list[tuple[str, str]] = field(default_factory=list)

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
        """A day of the quarter; on Saturdays and Sundays there is a little more to do."""
        return self.random.choices(DAYS, cum_weights=BUSY)[0]

    def moment(self, day: date, from_hour: int, to_hour: int) -> datetime:
        """A minute of that day between two hours."""
        return midnight(day) + timedelta(minutes=self.random.randrange(from_hour * 60, to_hour * 60))

    def later(self, at: datetime, least: int, most: int) -> datetime:
        """Between so many minutes later."""
        return at + timedelta(minutes=self.random.randint(least, most))


def published() -> list[Figure]:
    """The eight figures that the province published, as seed_figures.csv holds them."""
    path = Path(units.__file__).parent / "data" / "seed_figures.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Figure(row["indicator"], row["vietnamese"], int(row["value"]), row["unit"])
            for row in csv.DictReader(file)
            if (f"{row['edition']}:{row['unit_code']}", row["period_start"], row["period_end"])
            == (PROVINCE, FIRST.isoformat(), LAST.isoformat())
        ]


def plan(figures: dict[str, int], seed: int = SEED) -> list[Request]:
    """The requests that come to these figures, in the order in which they were sent. The same seed, the same plan."""
    diary = Diary(Random(seed))
    # Leaders and deputies are trained; one of them missed the class.
    _found_teams(diary, figures["trainees_certified"] // 2 + 1)
    _train(diary, figures["training_classes"], figures["trainees_certified"])
    _tell_tips(diary, figures["tips_received"], figures["cases_resolved_via_tips"])
    _patrol(diary, figures["patrols"], figures["cases_found_by_patrol"])
    _control_traffic(diary, figures["traffic_control_turns"])
    _guard(diary, figures["security_duties"])
    return sorted(diary.requests, key=lambda request: request.at)


def midnight(day: date) -> datetime:
    """The first instant of a day in Viet Nam."""
    return datetime.combine(day, time(), VIETNAM)


def officer(unit: str) -> Caller:
    """The commune police of a commune."""
    return Caller("commune_officer", unit)


PROVINCE_POLICE = Caller("province_officer", PROVINCE)
# The province's own intake system, which passes on what teams tell by telephone.
INTAKE = Caller("system", PROVINCE)


def _communes() -> list[str]:
    return [commune for district in units.children(PROVINCE) for commune in units.children(district)]


def _found_teams(diary: Diary, number: int) -> None:
    """For the day the law comes into force the communes form their teams: a leader, a deputy, a member each."""
    random, communes = diary.random, _communes()
    weights = [random.lognormvariate(0, 0.5) for _ in communes]
    # Each commune has one before any has a second.
    homes = random.sample(communes, min(number, len(communes)))
    homes += random.choices(communes, weights, k=number - len(homes))
    at, in_commune = midnight(FIRST - timedelta(days=2)), dict.fromkeys(communes, 0)
    for index, unit in enumerate(sorted(homes)):
        in_commune[unit] += 1
        commune = units.get(unit)
        assert commune is not None
        hamlet = f"{'ấp' if commune.type == 'xã' else 'khu phố'} {in_commune[unit]}"
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
            name=f"Tổ bảo vệ ANTT {hamlet}",
            from_on=FIRST.isoformat(),
            decision=_decision(diary, signer),
        )
        for role in ("leader", "deputy", "member"):
            at += timedelta(seconds=1)
            person = f"{role} of {team.name}"
            diary.post(
                at,
                officer(unit),
                "/teams/v1/members",
                person,
                team_id=Id(team.name),
                full_name=f"{random.choice(FAMILY)} {random.choice(MIDDLE)} {random.choice(GIVEN)}",
                born_on=(date(1957, 1, 1) + timedelta(days=random.randrange(48 * 365))).isoformat(),
                origin=diary.choose(ORIGINS),
                role=role,
                from_on=FIRST.isoformat(),
                decision=_decision(diary, signer),
            )
            if role != "member":
                diary.heads.append((person, unit))


def _decision(diary: Diary, signer: str) -> dict[str, str]:
    signed_on = FIRST - timedelta(days=diary.random.randint(1, 12))
    return {
        "number": f"{diary.random.randint(60, 400)}/QĐ-UBND",
        "signed_on": signed_on.isoformat(),
        "signer": signer,
    }


def _train(diary: Diary, classes: int, certified: int) -> None:
    """The province trains the leaders and deputies, district after district, and certifies them some days later."""
    for index in range(classes):
        held_on = FIRST + timedelta(days=10 + 70 * index // classes)
        training_class = f"training class {index}"
        diary.post(
            diary.moment(held_on, 16, 18),
            PROVINCE_POLICE,
            "/teams/v1/training-classes",
            training_class,
            unit=PROVINCE,
            title=f"Tập huấn nghiệp vụ cho Tổ trưởng, Tổ phó Tổ bảo vệ ANTT, đợt {index + 1}",
            held_on=held_on.isoformat(),
        )
        issued_on = held_on + timedelta(days=3)
        at = diary.moment(issued_on, 8, 9)
        for number in range(certified * index // classes, certified * (index + 1) // classes):
            person, _ = diary.heads[number]
            at += timedelta(seconds=20)
            diary.post(
                at,
                PROVINCE_POLICE,
                "/teams/v1/certificates",
                f"certificate {number}",
                training_class_id=Id(training_class),
                member_id=Id(person),
                number=f"{number + 1:04d}/GCN-TH",
                issued_on=issued_on.isoformat(),
            )


def _tell_tips(diary: Diary, received: int, resolved_cases: int) -> None:
    """Teams tell of things; the commune police classify each, open cases and resolve most of them."""
    withdrawn = received * WITHDRAWN_TIPS // 1000
    unresolved = resolved_cases * UNRESOLVED_CASES // 1000
    fates = ["withdrawn"] * withdrawn + ["resolved case"] * resolved_cases + ["open case"] * unresolved
    fates += ["no case"] * (received + withdrawn - len(fates))
    diary.random.shuffle(fates)
    for index, fate in enumerate(fates):
        _tell_tip(diary, f"tip {index}", fate)


def _tell_tip(diary: Diary, tip: str, fate: str) -> None:
    random = diary.random
    team, received_at = random.choice(diary.teams), diary.moment(diary.day(), 0, 24)
    unit = team.unit
    topic = random.choice(list(TOPICS))
    told = {"unit": unit, "team_id": Id(team.name), "received_at": received_at.isoformat()}
    slip: dict[str, Any] = {}
    if diary.chance(MISDATED_TIPS):
        # A slip that puts the tip before the quarter, until somebody sees it.
        slip = {"received_at": (received_at - timedelta(days=100)).isoformat()}
    elif diary.chance(MISPLACED_TIPS):
        other = random.choice(diary.teams)
        slip = {"unit": other.unit, "team_id": Id(other.name)}
    entered_by = INTAKE if diary.chance(400) else officer(slip.get("unit", unit))
    at = diary.later(received_at, 1, 20)
    diary.post(at, entered_by, "/incidents/v1/tips", tip, content=TOPICS[topic], topic=topic, **(told | slip))

    def step(name: str, least: int, most: int, caller: Caller, **body: Any) -> None:
        nonlocal at
        at = diary.later(at, least, most)
        diary.post(at, caller, f"/incidents/v1/tips/{{}}/{name}", tip, **body)

    if slip:
        right = {name: told[name] for name in slip}
        step("correct", 30, 600, PROVINCE_POLICE, reason="Nhập nhầm, đối chiếu lại sổ tiếp nhận", **right)
    police = officer(unit)
    step("report", 1, 60, police)
    if fate == "withdrawn":
        step("withdraw", 30, 2000, police, reason="Tổ báo lại: nhầm lẫn, không có sự việc")
        return
    step("classify", 20, 600, police, classified_as=diary.choose(CLASSES))
    if fate == "no case":
        if diary.chance(REJECTED_TIPS):
            step("reject", 600, 4000, police, reason="Đã xác minh, không có dấu hiệu vi phạm")
        elif diary.chance(FORWARDED_TIPS):
            step("forward", 600, 4000, police)
            step("notify", 60, 1500, police)
        return
    _open_case(diary, f"case of {tip}", topic, unit, received_at, at, tip, resolved=fate == "resolved case")
    if fate == "resolved case":
        step("verify", 5, 60, police)
        step("resolve", 3000, 9000, police)


def _open_case(
    diary: Diary, case: str, kind: str, unit: str, found_at: datetime, at: datetime, tip: str, resolved: bool
) -> None:
    """A case found through a tip. One that is not resolved in the quarter is resolved after it, or never."""
    random, police = diary.random, officer(unit)
    found_on = found_at.date()
    at = diary.later(at, 1, 30)
    diary.post(
        at, police, "/incidents/v1/cases", case, unit=unit, kind=kind, found_on=found_on.isoformat(), tip_id=Id(tip)
    )

    def resolve(on: date) -> None:
        nonlocal at
        at = max(diary.later(at, 1, 30), diary.moment(on, 8, 17))
        reason = "Đã xử phạt vi phạm hành chính"
        diary.post(at, police, "/incidents/v1/cases/{}/resolve", case, resolved_on=on.isoformat(), reason=reason)

    if not resolved:
        if diary.chance(500):
            resolve(LAST + timedelta(days=random.randint(3, 20)))
        return
    resolved_on = min(LAST, found_on + timedelta(days=round(random.expovariate(1 / 6))))
    resolve(resolved_on)
    if diary.chance(REOPENED_CASES):
        at = diary.later(at, 60, 600)
        diary.post(at, police, "/incidents/v1/cases/{}/reopen", case, reason="Phát hiện thêm người liên quan")
        resolve(min(LAST, resolved_on + timedelta(days=5)))


def _patrol(diary: Diary, patrols: int, found: int) -> None:
    """Teams patrol, most at night, and find cases; the commune police enter them."""
    finds = [0] * patrols
    for index in diary.random.choices(range(patrols), k=found):
        finds[index] += 1
    for index, cases in enumerate(finds):
        patrol = f"patrol {index}"
        joint = diary.chance(350)
        team, started_at, at = _enter(
            diary, patrol, (19, 24) if diary.chance(800) else (5, 19), kind="patrol", joint=joint
        )
        for number in range(cases):
            diary.post(
                diary.later(at, 5, 300),
                officer(team.unit),
                "/incidents/v1/cases",
                f"case {number} of {patrol}",
                unit=team.unit,
                kind=diary.random.choice(list(TOPICS)),
                found_on=started_at.date().isoformat(),
                patrol_id=Id(patrol),
            )
    for index in range(patrols * NEVER_CONFIRMED // 1000):
        _enter(diary, f"unconfirmed patrol {index}", (19, 24), kind="patrol", never_confirmed=True)


def _control_traffic(diary: Diary, turns: int) -> None:
    """Teams direct traffic at rush hours, several turns each time."""
    index = 0
    while turns:
        now = min(turns, diary.random.randint(3, 10))
        hours = (6, 8) if diary.chance(500) else (16, 18)
        _enter(diary, f"traffic control {index}", hours, kind="traffic_control", turns=now)
        turns, index = turns - now, index + 1


def _guard(diary: Diary, duties: int) -> None:
    """Teams guard events."""
    for index in range(duties):
        _enter(diary, f"duty {index}", (7, 20), kind="security_duty", target=diary.random.choice(TARGETS))


def _enter(
    diary: Diary, activity: str, hours: tuple[int, int], never_confirmed: bool = False, **told: Any
) -> tuple[Team, datetime, datetime]:
    """One activity of some team, entered until it is confirmed; the team, when it began, and when all was entered."""
    team = diary.random.choice(diary.teams)
    started_at = diary.moment(diary.day(), *hours)
    ended_at = diary.later(started_at, 45, 240)
    police, leader = officer(team.unit), Caller("team_leader", team.unit, team.name)
    entry = {
        **told,
        "unit": team.unit,
        "team_id": Id(team.name),
        "started_at": started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
    }
    at = diary.later(ended_at, 5, 120)
    slip = {"turns": told["turns"] * 10} if "turns" in told and diary.chance(MISCOUNTED_TURNS) else {}

    def step(name: str, caller: Caller, **body: Any) -> None:
        nonlocal at
        at = diary.later(at, 30, 900)
        diary.post(at, caller, f"/incidents/v1/activities/{{}}/{name}", activity, **body)

    if not (never_confirmed or diary.chance(ENTERED_BY_LEADERS)):
        diary.post(at, police, "/incidents/v1/activities", activity, **(entry | slip))
        if slip:
            step("correct", police, reason="Nhập thừa một chữ số", activity=entry)
        return team, started_at, at
    diary.post(at, leader, "/incidents/v1/activities", activity, **(entry | slip))
    if never_confirmed or slip or diary.chance(RETURNED):
        step("return", police, reason="Đề nghị kiểm tra lại thời gian và số liệu")
    if never_confirmed:
        return team, started_at, at
    if diary.requests[-1].path.endswith("return"):
        step("correct", leader, reason="Đã kiểm tra, nhập lại", activity=entry)
    step("confirm", police)
    return team, started_at, at
