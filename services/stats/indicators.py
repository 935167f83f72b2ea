"""What is counted: one row for each indicator. A new one is a row here and `antt rebuild`.

A flow is counted over a period: it belongs to one day. A stock is a level at the end of a day: its
record adds one on its first day and takes one away on the day after its last. A figure is the sum of
what the present records say; it names its unit, and two units are never added (DOMAIN.md).

An indicator is read without a token only if its row says `public=True` or the province opens it
(ANTT_PUBLIC_INDICATORS): what was done to persons, seized or missed is for those in charge unless decided otherwise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.events import Activity, Case, Certificate, Deadline, Fact, MemberTerm, Team, Tip, TrainingClass
from shared.events.incidents import Measure, SeizedKind, SeizedUnit


def _always(fact: Fact) -> bool:
    return True


def _one(fact: Fact) -> int:
    return 1


class Flow(NamedTuple):
    """Counted over a period, on the day in the fact's field `on`; a fact without that day does not count."""

    name: str
    vietnamese: str
    unit: str
    of: type[Fact]
    on: str
    where: Callable[[Any], bool] = _always
    amount: Callable[[Any], int] = _one
    # Raised when the meaning of the row changes, so that a rebuild is asked for.
    version: int = 1
    public: bool = False


class Stock(NamedTuple):
    """A level at a date: facts whose days, from `since` to `until` inclusive, hold that date."""

    name: str
    vietnamese: str
    unit: str
    of: type[Fact]
    since: str = "from_on"
    until: str = "until_on"
    where: Callable[[Any], bool] = _always
    version: int = 1
    public: bool = False


def _stands(tip: Tip) -> bool:
    return tip.state not in ("withdrawn", "merged")


def _via_tips(case: Case) -> bool:
    return case.tips > 0 or case.found_through == "tip"


def _by_patrol(case: Case) -> bool:
    return case.patrols > 0 or case.found_through == "patrol"


def _persons(measure: Measure | None = None) -> Callable[[Case], int]:
    return lambda case: sum(entry.persons for entry in case.handled if measure in (None, entry.measure))


def _seized(kind: SeizedKind, unit: SeizedUnit) -> Callable[[Case], int]:
    return lambda case: sum(entry.quantity for entry in case.seized if (entry.kind, entry.unit) == (kind, unit))


def _confirmed(kind: str, form: str | None = None) -> Callable[[Activity], bool]:
    return lambda activity: activity.kind == kind and activity.state == "confirmed" and form in (None, activity.form)


def _collected(item: str, unit: str, *means: str) -> Callable[[Activity], int]:
    """How many things of one kind, reported in one unit, were found or handed in, or both."""
    return lambda activity: sum(
        each.quantity
        for each in activity.items
        if (each.item, each.unit) == (item, unit) and each.means in (means or ("found", "handed_in"))
    )


def _in_time(deadline: Deadline) -> bool:
    return deadline.state == "met"


def _missed(deadline: Deadline) -> bool:
    return deadline.state in ("missed", "late")


INDICATORS: tuple[Flow | Stock, ...] = (
    Flow("tips_received", "tin báo tiếp nhận", "tin", Tip, "received_on", _stands, public=True),
    Flow("tips_from_force", "tin báo do Tổ bảo vệ ANTT cung cấp", "tin", Tip, "received_on",
         lambda tip: _stands(tip) and tip.supplied_by == "team", public=True),
    Flow("tips_from_citizens", "tin báo do người dân cung cấp", "tin", Tip, "received_on",
         lambda tip: _stands(tip) and tip.supplied_by == "citizen", public=True),
    Flow("tips_resolved", "tin báo đã giải quyết", "tin", Tip, "closed_on",
         lambda tip: tip.outcome == "resolved", public=True),
    Flow("tips_rejected", "tin báo không thụ lý, không xử lý", "tin", Tip, "closed_on", lambda tip: tip.outcome == "rejected",
         public=True),
    Flow("deadlines_met", "việc hoàn thành đúng thời hạn", "việc", Deadline, "due_on", _in_time),
    Flow("deadlines_missed", "việc quá thời hạn", "việc", Deadline, "due_on", _missed),
    Flow("deadlines_met_late", "việc hoàn thành trễ hạn", "việc", Deadline, "due_on",
         lambda deadline: deadline.state == "late"),
    Flow("tips_reported_to_investigators_in_time", "tin báo được báo cáo Cơ quan điều tra đúng thời hạn", "tin", Deadline,
         "due_on", lambda deadline: deadline.name == "report_to_investigators" and _in_time(deadline)),
    Flow("tips_reported_to_investigators_overdue", "tin báo quá thời hạn báo cáo Cơ quan điều tra", "tin", Deadline,
         "due_on", lambda deadline: deadline.name == "report_to_investigators" and _missed(deadline)),
    Flow("tips_decided_in_time", "tin báo giải quyết đúng thời hạn", "tin", Deadline, "due_on",
         lambda deadline: deadline.name == "decision" and _in_time(deadline)),
    Flow("tips_decision_overdue", "tin báo quá thời hạn giải quyết", "tin", Deadline, "due_on",
         lambda deadline: deadline.name == "decision" and _missed(deadline)),
    Flow("cases_found", "vụ việc phát hiện", "vụ việc", Case, "found_on", public=True),
    Flow("cases_found_via_tips", "vụ việc phát hiện qua tin báo", "vụ việc", Case, "found_on", _via_tips, public=True),
    Flow("cases_found_by_patrol", "vụ việc phát hiện qua tuần tra", "vụ việc", Case, "found_on", _by_patrol,
         public=True),
    Flow("cases_found_by_other_activities", "vụ việc phát hiện qua hoạt động khác", "vụ việc", Case, "found_on",
         lambda case: case.activities > 0, public=True),
    Flow("illegal_firecracker_cases", "trường hợp sử dụng pháo trái phép", "trường hợp", Case, "found_on",
         lambda case: case.kind == "illegal_firecrackers"),
    Flow("cases_resolved", "vụ việc đã giải quyết", "vụ việc", Case, "resolved_on", public=True),
    Flow("cases_resolved_via_tips", "vụ việc đã giải quyết qua tin báo", "vụ việc", Case, "resolved_on", _via_tips,
         public=True),
    Flow("cases_resolved_via_force_tips", "vụ việc đã giải quyết qua tin báo của Tổ bảo vệ ANTT", "vụ việc", Case,
         "resolved_on", lambda case: case.force_tips > 0, public=True),
    Flow("cases_resolved_by_patrol", "vụ việc đã giải quyết do phát hiện qua tuần tra", "vụ việc", Case, "resolved_on",
         _by_patrol, public=True),
    Flow("cases_transferred", "vụ việc chuyển cơ quan có thẩm quyền", "vụ việc", Case, "transferred_on"),
    Flow("persons_handled", "đối tượng bị xử lý", "đối tượng", Case, "handled_on", amount=_persons()),
    Flow("persons_reminded", "đối tượng được nhắc nhở, giáo dục", "đối tượng", Case, "handled_on",
         amount=_persons("reminder")),
    Flow("persons_warned", "đối tượng bị phạt cảnh cáo", "đối tượng", Case, "handled_on", amount=_persons("warning")),
    Flow("persons_fined", "đối tượng bị phạt tiền", "đối tượng", Case, "handled_on", amount=_persons("fine")),
    Flow("fines_dong", "tiền phạt", "đồng", Case, "handled_on",
         amount=lambda case: sum(handled.fines_dong for handled in case.handled)),
    Flow("weapons_seized", "vũ khí thu giữ", "khẩu, chiếc", Case, "found_on", amount=_seized("weapons", "piece")),
    Flow("ammunition_seized", "đạn thu giữ", "viên", Case, "found_on", amount=_seized("ammunition", "round")),
    Flow("explosives_seized_grams", "thuốc nổ thu giữ", "gam", Case, "found_on",
         amount=_seized("explosives", "gram")),
    Flow("detonators_seized", "kíp nổ thu giữ", "kíp", Case, "found_on", amount=_seized("explosives", "piece")),
    Flow("support_tools_seized", "công cụ hỗ trợ thu giữ", "công cụ", Case, "found_on",
         amount=_seized("support_tools", "piece")),
    Flow("firecrackers_seized", "pháo thu giữ", "quả", Case, "found_on", amount=_seized("firecrackers", "piece")),
    Flow("firecrackers_seized_grams", "pháo thu giữ (theo khối lượng)", "gam", Case, "found_on",
         amount=_seized("firecrackers", "gram")),
    Flow("drugs_seized_milligrams", "ma túy thu giữ", "miligam", Case, "found_on",
         amount=_seized("drugs", "milligram")),
    Flow("vehicles_seized", "phương tiện thu giữ", "phương tiện", Case, "found_on",
         amount=_seized("vehicles", "piece")),
    Flow("money_seized_dong", "tiền thu giữ", "đồng", Case, "found_on", amount=_seized("money", "dong")),
    Flow("patrols", "cuộc tuần tra", "cuộc", Activity, "held_on", _confirmed("patrol"), public=True),
    Flow("traffic_control_turns", "lượt hướng dẫn, phân luồng giao thông", "lượt", Activity, "held_on",
         _confirmed("traffic_control"), lambda activity: activity.turns, public=True),
    Flow("security_duties", "cuộc bảo vệ ANTT", "cuộc", Activity, "held_on", _confirmed("security_duty"), public=True),
    Flow("patrols_joint", "cuộc tuần tra phối hợp với công an", "cuộc", Activity, "held_on",
         _confirmed("patrol", "joint"), public=True),
    Flow("cases_told_by_patrols", "vụ việc do Tổ báo cáo phát hiện khi tuần tra", "vụ việc", Activity, "held_on",
         _confirmed("patrol"), lambda activity: activity.found_cases),
    Flow("outreach_sessions", "cuộc phát động phong trào", "cuộc", Activity, "held_on",
         _confirmed("outreach"), lambda activity: activity.sessions, public=True),
    Flow("outreach_attendance", "lượt người tham dự", "lượt người", Activity, "held_on",
         _confirmed("outreach"), lambda activity: activity.attendances, public=True),
    Flow("leaflets", "tài liệu tuyên truyền", "tài liệu", Activity, "held_on",
         _confirmed("outreach"), lambda activity: activity.leaflets, public=True),
    Flow("individual_outreach", "vận động cá biệt", "lượt người", Activity, "held_on",
         _confirmed("outreach"), lambda activity: activity.person_turns),
    Flow("persons_counselled", "gọi hỏi, giáo dục, cảm hóa", "đối tượng", Activity, "held_on",
         _confirmed("counselling"), lambda activity: activity.persons),
    Flow("fires_fought", "vụ cháy tham gia chữa cháy", "vụ", Activity, "held_on",
         _confirmed("fire_rescue", "fire_fighting"), public=True),
    Flow("rescues", "vụ tham gia cứu nạn, cứu hộ", "vụ", Activity, "held_on", _confirmed("fire_rescue", "rescue"),
         public=True),
    Flow("persons_rescued", "người được cứu", "người", Activity, "held_on",
         _confirmed("fire_rescue"), lambda activity: activity.persons_rescued, public=True),
    Flow("administrative_support_turns", "lượt hỗ trợ quản lý hành chính về trật tự xã hội", "lượt", Activity,
         "held_on", _confirmed("administrative_support"), lambda activity: activity.turns, public=True),
    Flow("surrenders", "lần giao nộp, thu hồi", "lần", Activity, "held_on", _confirmed("surrender"), public=True),
    Flow("weapons_collected", "vũ khí thu hồi, tiếp nhận", "khẩu, chiếc", Activity, "held_on",
         _confirmed("surrender"), _collected("weapons", "piece")),
    Flow("ammunition_collected", "viên đạn thu hồi, tiếp nhận", "viên", Activity, "held_on",
         _confirmed("surrender"), _collected("ammunition", "round")),
    Flow("explosives_collected_grams", "thuốc nổ thu hồi, tiếp nhận", "gam", Activity, "held_on",
         _confirmed("surrender"), _collected("explosives", "gram")),
    Flow("detonators_collected", "kíp nổ thu hồi, tiếp nhận", "kíp", Activity, "held_on",
         _confirmed("surrender"), _collected("explosives", "piece")),
    Flow("fuse_collected_metres", "dây cháy chậm thu hồi, tiếp nhận", "mét", Activity, "held_on",
         _confirmed("surrender"), _collected("explosives", "metre")),
    Flow("support_tools_collected", "công cụ hỗ trợ thu hồi, tiếp nhận", "công cụ", Activity, "held_on",
         _confirmed("surrender"), _collected("support_tools", "piece")),
    Flow("firecrackers_recovered", "quả pháo nổ thu hồi", "quả", Activity, "held_on",
         _confirmed("surrender"), _collected("firecrackers", "piece", "found"), public=True),
    Flow("firecrackers_handed_in", "quả pháo tiếp nhận", "quả", Activity, "held_on",
         _confirmed("surrender"), _collected("firecrackers", "piece", "handed_in"), public=True),
    Flow("firecrackers_collected_grams", "pháo thu hồi, tiếp nhận theo khối lượng", "gam", Activity, "held_on",
         _confirmed("surrender"), _collected("firecrackers", "gram")),
    Flow("mobilisations", "cuộc điều động, huy động ngoài địa bàn", "cuộc", Activity, "held_on",
         _confirmed("mobilisation"), public=True),
    Flow("member_turns", "lượt thành viên tham gia hoạt động", "lượt người", Activity, "held_on",
         lambda activity: activity.state == "confirmed", lambda activity: activity.members, public=True),
    # The share confirmed in time is the third of these in a hundred of the second; each is of the day of entry.
    Flow("team_entries", "hoạt động do Tổ nhập", "hoạt động", Activity, "entered_on"),
    Flow("team_entries_confirmed", "hoạt động do Tổ nhập đã được xác nhận", "hoạt động", Activity, "entered_on",
         lambda activity: activity.confirmed_on is not None),
    Flow("team_entries_confirmed_in_time", "hoạt động do Tổ nhập được xác nhận đúng thời hạn", "hoạt động", Activity,
         "entered_on", lambda activity: activity.confirmed_on is not None
         and activity.confirmed_on <= activity.confirm_by),
    Flow("training_classes", "lớp tập huấn nghiệp vụ", "lớp", TrainingClass, "held_on", public=True),
    Flow("trainees_certified", "học viên được cấp giấy chứng nhận", "học viên", Certificate, "issued_on", public=True),
    Stock("teams", "Tổ bảo vệ ANTT", "tổ", Team, public=True),
    Stock("members", "thành viên", "người", MemberTerm, public=True),
    Stock("members_leader", "Tổ trưởng", "người", MemberTerm, where=lambda term: term.role == "leader"),
    Stock("members_deputy", "Tổ phó", "người", MemberTerm, where=lambda term: term.role == "deputy"),
    Stock("members_member", "Tổ viên", "người", MemberTerm, where=lambda term: term.role == "member"),
)  # fmt: skip
