"""What may be read of activities."""

from uuid import UUID

import asyncpg

from services.incidents.activities.kinds import KINDS, OWN_FIELDS
from services.incidents.activities.models import Activity
from services.incidents.activities.schemas import (
    ActivityOut,
)
from services.incidents.activities.workflow import SEEN
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of
from shared.outbox import row_of
from shared.workflow import StepOut

_RECORDS = Records(
    "activities",
    at="started_at",
    may=SEEN.may,
    filters={"kind": "kind = {kind}", "state": "state = {state}", "team_id": "team_id = {team_id}"},
)

# The words of a state as people write them.
LABELS = {
    "entered": "chờ xác nhận", "confirmed": "đã xác nhận", "returned": "đã trả lại",
}  # fmt: skip

# An activity as a file shows it to people; what only its kind has stands together in one column.
FILE = [
    Column("Mã hoạt động", value_of("id")),
    Column("Loại hoạt động", lambda activity: KINDS[activity.kind].vietnamese),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Thôn, tổ dân phố", value_of("hamlets")),
    Column("Tổ bảo vệ ANTT", value_of("team_id")),
    Column("Bắt đầu", value_of("started_at")),
    Column("Kết thúc", value_of("ended_at")),
    Column("Số người tham gia", value_of("members")),
    Column("Nội dung", lambda activity: _own(activity)),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Thời điểm nhập", value_of("entered_at")),
    Column("Thời điểm xác nhận", value_of("confirmed_at")),
    Column("Số tham chiếu", value_of("reference")),
]


def _own(activity: ActivityOut) -> str:
    """What only an activity of its kind says."""
    said = {name: getattr(activity, name) for name in OWN_FIELDS[activity.kind]}
    return "; ".join(f"{name}: {value}" for name, value in said.items() if value not in (None, [], ""))


def _shown(record: asyncpg.Record) -> ActivityOut:
    return ActivityOut.of(row_of(Activity, record))


ACTIVITIES = Listing(_RECORDS, _shown, "hoat-dong", FILE)


async def read_activity(reader: Reader, activity_id: UUID) -> ActivityOut:
    """One activity. NotFound without one that the caller sees."""
    return _shown(await reader.one(SEEN, "SELECT * FROM activities WHERE id = $1", activity_id))


async def activity_steps(reader: Reader, activity_id: UUID) -> list[StepOut]:
    """The activity's steps, oldest first."""
    await read_activity(reader, activity_id)
    rows = await reader.database.fetch("SELECT * FROM activity_steps WHERE activity_id = $1 ORDER BY id", activity_id)
    return [StepOut.model_validate(dict(row)) for row in rows]
