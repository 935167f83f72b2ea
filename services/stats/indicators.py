"""What is counted: one row for each indicator. A new one is a row here and `antt rebuild`.

A flow is counted over a period: it belongs to one day. A stock is a level at the end of a day: its
record adds one on its first day and takes one away on the day after its last. A figure is the sum of
what the present records say; it names its unit, and two units are never added (DOMAIN.md).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.events import Activity, Case, Certificate, Fact, MemberTerm, Team, Tip, TrainingClass


def _always(fact: Any) -> bool:
    return True


def _one(fact: Any) -> int:
    return 1


class Flow(NamedTuple):
    """Counted over a period, on the day that the fact's field `on` tells; a fact without that day does not count."""

    name: str
    vietnamese: str
    unit: str
    of: type[Fact]
    on: str
    where: Callable[[Any], bool] = _always
    amount: Callable[[Any], int] = _one
    # Raised when the meaning of the row changes, so that a rebuild is asked for.
    version: int = 1


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


def _stands(tip: Tip) -> bool:
    return tip.state not in ("withdrawn", "merged")


def _confirmed(kind: str) -> Callable[[Activity], bool]:
    return lambda activity: activity.kind == kind and activity.state == "confirmed"


INDICATORS: tuple[Flow | Stock, ...] = (
    Flow("tips_received", "tin báo tiếp nhận", "tin", Tip, "received_on", _stands),
    Flow("tips_from_force", "tin báo do Tổ bảo vệ ANTT cung cấp", "tin", Tip, "received_on",
         lambda tip: _stands(tip) and tip.supplied_by == "team"),
    Flow("tips_from_citizens", "tin báo do người dân cung cấp", "tin", Tip, "received_on",
         lambda tip: _stands(tip) and tip.supplied_by == "citizen"),
    Flow("tips_resolved", "tin báo đã giải quyết", "tin", Tip, "closed_on",
         lambda tip: tip.outcome == "resolved"),
    Flow("tips_rejected", "tin báo không xử lý", "tin", Tip, "closed_on", lambda tip: tip.outcome == "rejected"),
    Flow("cases_found", "vụ việc phát hiện", "vụ việc", Case, "found_on"),
    Flow("cases_found_via_tips", "vụ việc phát hiện qua tin báo", "vụ việc", Case, "found_on",
         lambda case: case.found_through == "tip"),
    Flow("cases_found_by_patrol", "vụ việc phát hiện qua tuần tra", "vụ việc", Case, "found_on",
         lambda case: case.found_through == "patrol"),
    Flow("cases_resolved", "vụ việc giải quyết", "vụ việc", Case, "resolved_on"),
    Flow("cases_resolved_via_tips", "vụ việc giải quyết qua tin báo", "vụ việc", Case, "resolved_on",
         lambda case: case.found_through == "tip"),
    Flow("patrols", "cuộc tuần tra", "cuộc", Activity, "held_on", _confirmed("patrol")),
    Flow("traffic_control_turns", "lượt hướng dẫn, phân luồng giao thông", "lượt", Activity, "held_on",
         _confirmed("traffic_control"), lambda activity: activity.turns),
    Flow("security_duties", "cuộc bảo vệ ANTT", "cuộc", Activity, "held_on", _confirmed("security_duty")),
    Flow("training_classes", "lớp tập huấn nghiệp vụ", "lớp", TrainingClass, "held_on"),
    Flow("trainees_certified", "học viên được cấp giấy chứng nhận", "học viên", Certificate, "issued_on"),
    Stock("teams", "Tổ bảo vệ ANTT", "tổ", Team),
    Stock("members", "thành viên", "người", MemberTerm),
    Stock("members_leader", "Tổ trưởng", "người", MemberTerm, where=lambda term: term.role == "leader"),
    Stock("members_deputy", "Tổ phó", "người", MemberTerm, where=lambda term: term.role == "deputy"),
    Stock("members_member", "tổ viên", "người", MemberTerm, where=lambda term: term.role == "member"),
)  # fmt: skip
