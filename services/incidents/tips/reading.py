"""What may be read of tips."""

from uuid import UUID

import asyncpg

from services.incidents.tips.models import WORDS, Tip
from services.incidents.tips.receipts import tip_of_receipt
from services.incidents.tips.schemas import (
    LookOut,
    MessageOut,
    TipShown,
    TipStatus,
)
from services.incidents.tips.workflow import SEEN
from shared.database import Database
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of
from shared.outbox import row_of
from shared.workflow import StepOut

# A tip with the deadlines that are still to be met.
SHOWN = """tips.*, coalesce((
    SELECT jsonb_agg(jsonb_build_object('name', name, 'due_at', due_at, 'overdue', due_at <= now()) ORDER BY due_at, name)
    FROM deadlines WHERE tip_id = tips.id AND to_do), '[]') AS due"""
_TO_DO = "SELECT tip_id FROM deadlines WHERE to_do"

# Who sees one finds it in the list; of who handles it the list has those alone whom it was taken over by.
_RECORDS = Records(
    "tips",
    at="received_at",
    may=SEEN.may,
    filters={
        "state": "state = {state}",
        "classified_as": "classified_as = {classified_as}",
        "topic": "topic = {topic}",
        "channel": "channel = {channel}",
        "officer": "officer = {officer}",
        "team_id": "team_id = {team_id}",
    },
    # What is on the work list of deadlines (services/incidents/deadlines) under the same words.
    lookups={
        "deadline": {
            "due_soon": f"{_TO_DO} AND due_at > now() AND due_at <= now() + interval '48 hours'",
            "overdue": f"{_TO_DO} AND due_at <= now()",
        }
    },
    reach=("unit", "taken_over_by", "forwarded_to"),
    columns=SHOWN,
    words=WORDS,
)


# The words of a state, a class, a channel as people write them.
LABELS = {
    "received": "đã tiếp nhận", "reported": "đã báo Công an cấp xã", "classified": "đã phân loại",
    "verifying": "đang xác minh", "forwarded": "đã chuyển", "resolved": "đã giải quyết",
    "rejected": "không thụ lý, không xử lý", "notified": "đã thông báo người báo tin", "withdrawn": "đã rút",
    "merged": "đã nhập vào tin khác", "denunciation_of_crime": "tố giác về tội phạm",
    "crime_report": "tin báo về tội phạm", "recommendation_to_prosecute": "kiến nghị khởi tố",
    "complaint_denunciation": "tố cáo", "feedback": "phản ánh, kiến nghị", "administrative": "vi phạm hành chính",
    "civil": "dân sự", "duplicate": "trùng tin", "not_competent": "không thuộc thẩm quyền", "web": "cổng thông tin",
    "app": "ứng dụng", "hotline": "đường dây nóng", "in_person": "trực tiếp", "team": "Tổ bảo vệ ANTT",
    "officer": "cán bộ", "system": "hệ thống khác", "citizen": "người dân",
}  # fmt: skip

# A tip as a file shows it to people; who reported it is in another table, and in no file.
COLUMNS = [
    Column("Mã tin", value_of("id")),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Thôn, tổ dân phố", value_of("hamlet")),
    Column("Thời điểm tiếp nhận", value_of("received_at")),
    Column("Thời điểm xảy ra", value_of("occurred_at")),
    Column("Nội dung", value_of("content")),
    Column("Lĩnh vực", value_of("topic")),
    Column("Kênh tiếp nhận", word_of("channel", LABELS)),
    Column("Nguồn tin", word_of("supplied_by", LABELS)),
    Column("Tổ bảo vệ ANTT", value_of("team_id")),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Phân loại", word_of("classified_as", LABELS)),
    Column("Đơn vị thụ lý", name_of("handled_by")),
    Column("Cán bộ thụ lý", value_of("officer")),
    Column("Thời hạn gần nhất", lambda tip: tip.due[0].due_at if tip.due else None),
    Column("Quá thời hạn", lambda tip: "có" if tip.due and tip.due[0].overdue else None),
    Column("Đã chuyển đến", lambda tip: name_of("forwarded_to")(tip) or tip.forwarded_to),
    Column("Nhập vào tin", value_of("merged_into")),
    Column("Kết quả", word_of("outcome", LABELS)),
    Column("Ngày kết thúc", value_of("closed_on")),
    Column("Hệ thống gửi", value_of("source_system")),
    Column("Số tham chiếu", value_of("reference")),
]


def _shown(record: asyncpg.Record) -> TipShown:
    return TipShown.model_validate(dict(record))


TIPS = Listing(_RECORDS, _shown, "tin-bao", COLUMNS)


async def read_tip(reader: Reader, tip_id: UUID) -> TipShown:
    """One tip. NotFound without one that the caller sees."""
    return _shown(await reader.one(SEEN, f"SELECT {SHOWN} FROM tips WHERE id = $1", tip_id))


async def tip_steps(reader: Reader, tip_id: UUID) -> list[StepOut]:
    """The tip's steps, oldest first."""
    await read_tip(reader, tip_id)
    rows = await reader.database.fetch("SELECT * FROM tip_steps WHERE tip_id = $1 ORDER BY id", tip_id)
    return [StepOut.model_validate(dict(row)) for row in rows]


async def tip_by_receipt(database: Database, receipt: str, client: str) -> TipStatus:
    """The status for a receipt, and what was written. Raises as `tip_of_receipt` does."""
    tip = await tip_of_receipt(database, receipt, client)
    stands = await standing(database, tip)
    messages = await database.fetch("SELECT * FROM tip_messages WHERE tip_id = $1 ORDER BY id", tip.id)
    return TipStatus(
        state=stands.state,
        received_at=tip.received_at,
        closed_on=stands.closed_on,
        messages=[MessageOut.model_validate(dict(row)) for row in messages],
    )


async def standing(database: Database, tip: Tip) -> Tip:
    """The tip that goes on in the place of this one: the last of those that it was merged into, or itself."""
    if tip.merged_into is None:
        return tip
    last = await database.fetchrow(f"{_MERGED_INTO} SELECT * FROM into_ WHERE merged_into IS NULL", tip.id)
    assert last is not None
    return row_of(Tip, last)


async def tip_messages(reader: Reader, tip_id: UUID) -> list[MessageOut]:
    """What was written between the police and the sender, and the senders of its duplicates, oldest first."""
    await read_tip(reader, tip_id)
    tips = await with_duplicates(reader, tip_id)
    rows = await reader.database.fetch("SELECT * FROM tip_messages WHERE tip_id = ANY($1) ORDER BY id", tips)
    return [MessageOut.model_validate(dict(row)) for row in rows]


async def with_duplicates(reader: Reader, tip_id: UUID) -> list[UUID]:
    """A tip that the caller may see, and those that were merged into it.

    To a team's leader only the team's own: that, and in what words, others reported the same is not for the team to know.
    """
    team_id = UUID(reader.caller.team) if reader.caller.role == "team_leader" else None
    rows = await reader.database.fetch(
        f"{_DUPLICATES} SELECT id FROM merged WHERE team_id = $2 OR $2 IS NULL", tip_id, team_id
    )
    return [row["id"] for row in rows]


_MERGED_INTO = """
WITH RECURSIVE into_ AS (
    SELECT * FROM tips WHERE id = $1 UNION ALL SELECT t.* FROM tips t JOIN into_ i ON t.id = i.merged_into
)"""
_DUPLICATES = """
WITH RECURSIVE merged AS (
    SELECT id, team_id FROM tips WHERE id = $1
    UNION ALL SELECT t.id, t.team_id FROM tips t JOIN merged m ON t.merged_into = m.id
)"""


async def informant_looks(reader: Reader, tip_id: UUID) -> list[LookOut]:
    """Who looked at the informant's identity, when and why, oldest first. Raises as `read_tip` does, and ForeignArea for
    who sees the tip but is not of the area that handles it."""
    reader.caller.require_role("audit_looks")
    tip = await read_tip(reader, tip_id)
    reader.caller.require("audit_looks", tip.handled_by)
    rows = await reader.database.fetch("SELECT * FROM informant_looks WHERE tip_id = $1 ORDER BY id", tip_id)
    return [LookOut.model_validate(dict(row)) for row in rows]
