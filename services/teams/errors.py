"""What only the registry refuses."""

from shared.errors import Problem


class TeamDissolved(Problem):
    """A dissolved team takes no further change."""

    status, name = 409, "team-dissolved"
    vi, en = "Tổ này đã giải thể.", "This team is dissolved."


class TeamPlaced(Problem):
    """What a decision has placed is there from that day on, and its members with it."""

    status, name = 409, "team-placed"
    vi, en = (
        "Việc này gắn với ngày Tổ được bố trí lại; hãy hủy việc bố trí đó trước.",
        "This goes with the day on which the team was placed anew; take that back first.",
    )


class TermsOutlastTeam(Problem):
    """A team does not end before what its members did in it."""

    status, name = 409, "terms-outlast-team"
    vi, en = (
        "Có thành viên còn tham gia Tổ sau ngày giải thể.",
        "A member was in the team after the day of its dissolution.",
    )


class TermsOutsideTeam(Problem):
    """Each term lies within its team's days; a team that never was had no members."""

    status, name = 409, "terms-outside-team"
    vi, en = (
        "Có thành viên tham gia Tổ ngoài thời gian này; hãy sửa hoặc hủy mục đó trước.",
        "A member is in the team outside these days; correct or withdraw that first.",
    )


class TermsOverlap(Problem):
    """A member's terms follow one another."""

    status, name = 409, "terms-overlap"
    vi, en = (
        "Thời gian này trùng với thời gian tham gia khác của người đó.",
        "These days overlap with another term of the member.",
    )


class CertificateStands(Problem):
    """A certificate was given that would fit no class or no term."""

    status, name = 409, "certificate-stands"
    vi, en = (
        "Đã cấp giấy chứng nhận tập huấn dựa trên mục này; hãy sửa hoặc thu hồi giấy đó trước.",
        "A certificate rests on this; correct or revoke that first.",
    )


class RecordWithdrawn(Problem):
    """What was withdrawn counts nothing and takes no further change."""

    status, name = 409, "record-withdrawn"
    vi, en = "Mục này đã được hủy vì nhập sai.", "This was withdrawn, since it was entered wrongly."


class LeaderExists(Problem):
    """A team has one leader (Law 30/2023/QH15, art. 14)."""

    status, name = 409, "leader-exists"
    vi, en = "Tổ đã có Tổ trưởng vào thời gian này.", "The team has a leader at that time."


class AlreadyInForce(Problem):
    """A person is in one team at a time."""

    status, name = 409, "already-in-force"
    vi, en = (
        "Người cùng họ tên, ngày sinh đang tham gia lực lượng; nếu là người khác, gửi namesake = true.",
        "A person of this name and birth date is in the force; for another person send namesake = true.",
    )


class MemberNotEligible(Problem):
    """Members are 18 to 70 years old; an older one needs the chairman's decision (Law 30/2023/QH15, art. 13)."""

    status, name = 422, "member-not-eligible"
    vi, en = (
        "Chưa đủ 18 tuổi, hoặc trên 70 tuổi mà không có quyết định của Chủ tịch Ủy ban nhân dân cấp xã.",
        "Under 18 years, or over 70 without the decision of the commune's chairman.",
    )


class DayTooEarly(Problem):
    """Nothing begins or ends before what it belongs to has begun."""

    status, name = 422, "day-too-early"
    vi, en = "Ngày này sớm hơn mức cho phép.", "The day is earlier than it can be."


class NotMemberThen(Problem):
    """A certificate is given to who is in a team on the day of issue."""

    status, name = 409, "not-a-member-then"
    vi, en = "Người này không thuộc Tổ nào vào ngày cấp.", "The person was in no team on the day of issue."
