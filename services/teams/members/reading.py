"""What may be read of members."""

from uuid import UUID

import asyncpg

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.members.schemas import ListedMember, MemberHistory, MemberOut, TermOut
from services.teams.tables.members import WORDS, Member, MemberTerm
from shared.access import Seen
from shared.decisions import decision_of
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of
from shared.outbox import row_of
from shared.outbox.rows import values_of

# A member is of the team of the latest term, and of the unit where that team is now.
SEEN = Seen("read_registry", ("team_unit",))

# Each member with the latest term, or with the one held on a day, and the team of that term.
_ROWS = """
    SELECT member.*, to_jsonb(term) AS term, term.team_id, term.role, term.from_on,
        term.decision_number, term.end_decision_number, team.unit AS team_unit, team.name AS team_name,
        CASE WHEN member.withdrawn_at IS NOT NULL THEN 'withdrawn'
            WHEN member.released_on IS NOT NULL THEN 'released' ELSE 'active' END AS state
    FROM members member
    JOIN member_terms term ON CASE WHEN {on}::date IS NULL THEN term.id = member.term_id
        ELSE term.member_id = member.id AND term.withdrawn_at IS NULL
            AND term.from_on <= {on} AND coalesce(term.until_on, 'infinity') >= {on} END
    JOIN teams team ON team.id = term.team_id"""

_RECORDS = Records(
    "members",
    at="id",
    day="from_on",
    may=SEEN.may,
    filters={
        "team_id": "team_id = {team_id}",
        "state": "state = {state}",
        "role": "role = {role}",
        "decision_number": "folded({decision_number}) IN (folded(decision_number), folded(end_decision_number))",
    },
    reach=SEEN.units,
    rows=_ROWS,
    words=WORDS,
)

# The words of a role, a state, an origin as people write them.
LABELS = {
    "leader": "Tổ trưởng", "deputy": "Tổ phó", "member": "Tổ viên", "active": "đang tham gia", "released": "đã cho thôi",
    "withdrawn": "đã hủy vì nhập sai", "male": "nam", "female": "nữ", "ward_guard": "bảo vệ dân phố",
    "part_time_police": "công an xã bán chuyên trách", "civil_defence": "dân phòng", "recruited": "tuyển mới",
    "own_request": "theo nguyện vọng", "health": "không đủ sức khỏe", "failed_duty": "không hoàn thành nhiệm vụ",
    "prosecution": "bị truy cứu trách nhiệm hình sự", "role_changed": "đổi vai trò", "transferred": "chuyển Tổ",
    "team_placed": "Tổ được bố trí lại", "team_dissolved": "Tổ giải thể",
}  # fmt: skip

# A member as a file shows one to people.
FILE = [
    Column("Mã thành viên", value_of("id")),
    Column("Họ và tên", value_of("full_name")),
    Column("Ngày sinh", value_of("born_on")),
    Column("Giới tính", word_of("gender", LABELS)),
    Column("Nguồn", word_of("origin", LABELS)),
    Column("Mã Tổ", lambda member: member.term.team_id),
    Column("Tên Tổ", value_of("team_name")),
    Column("Mã đơn vị", lambda member: member.term.unit),
    Column("Đơn vị", lambda member: name_of("unit")(member.term)),
    Column("Vai trò", lambda member: LABELS[member.term.role]),
    Column("Từ ngày", lambda member: member.term.from_on),
    Column("Quyết định công nhận", lambda member: member.term.decision.number),
    Column("Ngày ký", lambda member: member.term.decision.signed_on),
    Column("Người ký", lambda member: member.term.decision.signer),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Đến ngày", lambda member: member.term.until_on),
    Column("Kết thúc vì", lambda member: LABELS.get(member.term.ended_for)),
    Column("Quyết định kết thúc", lambda member: member.term.end_decision and member.term.end_decision.number),
    Column("Lý do", lambda member: member.term.end_reason),
    Column("Số tham chiếu", value_of("reference")),
]


def _listed(record: asyncpg.Record) -> ListedMember:
    member = member_out(row_of(Member, record), row_of(MemberTerm, record["term"]))
    return ListedMember(**dict(member), team_name=record["team_name"], state=record["state"])


MEMBERS = Listing(_RECORDS, _listed, "thanh-vien", FILE)


async def read_member(reader: Reader, member_id: UUID) -> MemberHistory:
    """One member with every term. NotFound without one that the caller sees."""
    row = await reader.one(
        SEEN,
        """SELECT member.*, team.unit AS team_unit, team.id AS team_id FROM members member
        JOIN member_terms latest ON latest.id = member.term_id
        JOIN teams team ON team.id = latest.team_id
        WHERE member.id = $1""",
        member_id,
    )
    found = await reader.database.fetch(
        "SELECT * FROM member_terms WHERE member_id = $1 ORDER BY from_on, id", member_id
    )
    member, terms = row_of(Member, row), [row_of(MemberTerm, term) for term in found]
    latest = next(term for term in terms if term.id == member.term_id)
    return MemberHistory(**dict(member_out(member, latest)), terms=[term_out(term) for term in terms])


async def member_corrections(reader: Reader, member_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the member's terms. Raises as `read_member` does."""
    member = await read_member(reader, member_id)
    return await corrections_of(reader.database, member_id, *[term.id for term in member.terms])


def member_out(member: Member, term: MemberTerm) -> MemberOut:
    """The member with this term, as it is shown."""
    return MemberOut.model_validate({**values_of(member), "term": term_out(term)})


def term_out(term: MemberTerm) -> TermOut:
    """The term as it is shown."""
    decision, end_decision = decision_of(term, "decision"), decision_of(term, "end_decision")
    return TermOut.model_validate({**values_of(term), "decision": decision, "end_decision": end_decision})
