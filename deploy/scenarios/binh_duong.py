"""What Bình Dương's force did in the third quarter of 2024: `plan` comes to the eight figures that were published."""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from deploy.scenarios.diary import Caller, Diary, Id, Request, enter, found_teams, officer

PROVINCE = "2024:74"
FIRST, LAST = date(2024, 7, 1), date(2024, 9, 30)

# What happens beside what counts, as parts of a thousand of what it happens to.
WITHDRAWN_TIPS = 14
MISDATED_TIPS = 12
MISPLACED_TIPS = 12
REJECTED_TIPS = 90
FORWARDED_TIPS = 160
UNRESOLVED_CASES = 60
REOPENED_CASES = 20
NEVER_CONFIRMED = 10
# Citizens' own tips, in parts of the force's, and the cases resolved through them, in parts of theirs.
CITIZENS_TIPS = 250
CITIZENS_CASES = 300

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


PROVINCE_POLICE = Caller("province_officer", PROVINCE)
# The province's own intake system, which passes on what teams tell by telephone.
INTAKE = Caller("system", PROVINCE)


def plan(figures: dict[str, int], seed: int) -> list[Request]:
    """The requests that come to these figures, in the order in which they were sent. The same seed, the same plan."""
    diary = Diary(Random(seed), PROVINCE, FIRST, LAST)
    # Leaders and deputies are trained; one of them missed the class.
    teams = figures["trainees_certified"] // 2 + 1
    found_teams(diary, teams, teams, {"xã": "ấp", "phường": "khu phố", "thị trấn": "khu phố"})
    _train(diary, figures["training_classes"], figures["trainees_certified"])
    _send_tips(diary, figures["tips_from_force"], figures["cases_resolved_via_force_tips"])
    # What citizens report beside it is no merit of the force, and no part of what was published.
    citizens = figures["tips_from_force"] * CITIZENS_TIPS // 1000
    _send_tips(diary, citizens, citizens * CITIZENS_CASES // 1000, by_force=False)
    _patrol(diary, figures["patrols"], figures["cases_found_by_patrol"])
    _control_traffic(diary, figures["traffic_control_turns"])
    _guard(diary, figures["security_duties"])
    return sorted(diary.requests, key=lambda request: request.at)


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


def _send_tips(diary: Diary, received: int, resolved_cases: int, by_force: bool = True) -> None:
    """Teams, or citizens, tell of things; the commune police classify each, open cases and resolve most of them."""
    withdrawn = received * WITHDRAWN_TIPS // 1000
    unresolved = resolved_cases * UNRESOLVED_CASES // 1000
    fates = ["withdrawn"] * withdrawn + ["resolved case"] * resolved_cases + ["open case"] * unresolved
    fates += ["no case"] * (received + withdrawn - len(fates))
    diary.random.shuffle(fates)
    for index, fate in enumerate(fates):
        _send_tip(diary, f"tip {index}" if by_force else f"citizen's tip {index}", fate, by_force)


def _send_tip(diary: Diary, tip: str, fate: str, by_force: bool) -> None:
    random = diary.random
    team, received_at = random.choice(diary.teams), diary.moment(diary.day(), 0, 24)
    unit = team.unit
    topic = random.choice(list(TOPICS))
    given = {"unit": unit, "received_at": received_at.isoformat()}
    given |= {"team_id": Id(team.name)} if by_force else {"channel": "hotline"}
    slip: dict[str, Any] = {}
    if diary.chance(MISDATED_TIPS):
        # A slip that puts the tip before the quarter, until somebody sees it.
        slip = {"received_at": (received_at - timedelta(days=100)).isoformat()}
    elif diary.chance(MISPLACED_TIPS):
        other = random.choice(diary.teams)
        slip = {"unit": other.unit} | ({"team_id": Id(other.name)} if by_force else {})
    entered_by = INTAKE if diary.chance(400) else officer(slip.get("unit", unit))
    at = diary.later(received_at, 1, 20)
    diary.post(at, entered_by, "/incidents/v1/tips", tip, content=TOPICS[topic], topic=topic, **(given | slip))

    def step(name: str, least: int, most: int, caller: Caller, **body: Any) -> None:
        nonlocal at
        at = diary.later(at, least, most)
        diary.post(at, caller, f"/incidents/v1/tips/{{}}/{name}", tip, **body)

    if slip:
        right = {name: given[name] for name in slip}
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
        team, started_at, at = enter(
            diary,
            patrol,
            (19, 24) if diary.chance(800) else (5, 19),
            kind="patrol",
            form="joint" if diary.chance(350) else "alone",
            found_cases=cases,
            members=diary.random.randint(2, 5),
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
        enter(diary, f"unconfirmed patrol {index}", (19, 24), kind="patrol", never_confirmed=True)


def _control_traffic(diary: Diary, turns: int) -> None:
    """Teams direct traffic at rush hours, several turns each time."""
    index = 0
    while turns:
        now = min(turns, diary.random.randint(3, 10))
        hours = (6, 8) if diary.chance(500) else (16, 18)
        enter(diary, f"traffic control {index}", hours, slip={"turns": now * 10}, kind="traffic_control", turns=now)
        turns, index = turns - now, index + 1


def _guard(diary: Diary, duties: int) -> None:
    """Teams guard events."""
    for index in range(duties):
        enter(diary, f"duty {index}", (7, 20), kind="security_duty", target=diary.random.choice(TARGETS))
