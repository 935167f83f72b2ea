"""What may be read of cases."""

from uuid import UUID

import asyncpg

from services.incidents.cases.models import Case
from services.incidents.cases.schemas import CaseOfTip, CaseOut, Linked
from services.incidents.cases.workflow import SEEN
from shared.access import Identity
from shared.database import Database
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of
from shared.outbox import row_of
from shared.workflow import StepOut

# A case with its links, in the order in which they were made; one index look-up for each row that is shown.
COLUMNS = """cases.*, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', l.kind, 'id', l.linked_id) ORDER BY l.id), '[]')
    FROM case_links l WHERE l.case_id = cases.id AND l.removed_at IS NULL
) AS links"""


_LINKED = "EXISTS (SELECT FROM case_links WHERE case_id = cases.id AND kind = '{}' AND removed_at IS NULL)"

# Found by the index of what is linked, so that a tip's few cases are read at once.
_LINKED_TO = (
    "id IN (SELECT case_id FROM case_links WHERE kind = '{0}' AND linked_id = {{{0}_id}} AND removed_at IS NULL)"
)

_RECORDS = Records(
    "cases",
    at="found_on",
    day="found_on",
    may=SEEN.may,
    filters={
        "kind": "kind = {kind}",
        "state": "state = {state}",
        # The tip before the patrol where a case is linked to both, as its list shows it.
        "found_through": f"""{{found_through}} = CASE WHEN {_LINKED.format("tip")} THEN 'tip'
            WHEN {_LINKED.format("patrol")} THEN 'patrol' ELSE 'other' END""",
        **{f"{kind}_id": _LINKED_TO.format(kind) for kind in ("tip", "patrol", "activity")},
    },
    of_team=None,
    columns=COLUMNS,
)

# The words of a state as people write them.
LABELS = {
    "open": "đang giải quyết", "resolved": "đã giải quyết", "transferred": "đã chuyển cơ quan khác",
    "withdrawn": "đã rút", "tip": "tin báo", "patrol": "tuần tra", "other": "khác",
}  # fmt: skip

# A case as a file shows it to people.
FILE = [
    Column("Mã vụ việc", value_of("id")),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Thôn, tổ dân phố", value_of("hamlet")),
    Column("Địa điểm", value_of("place")),
    Column("Loại vụ việc", value_of("kind")),
    Column("Ngày phát hiện", value_of("found_on")),
    Column("Phát hiện qua", word_of("found_through", LABELS)),
    Column("Đối tượng bị xử lý", value_of("handled")),
    Column("Ngày xử lý", value_of("handled_on")),
    Column("Tang vật thu giữ", value_of("seized")),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Ngày giải quyết", value_of("resolved_on")),
    Column("Ngày chuyển", value_of("transferred_on")),
    Column("Chuyển đến", value_of("transferred_to")),
    Column("Quyết định", value_of("decision")),
    Column("Số tham chiếu", value_of("reference")),
]


def _shown(record: asyncpg.Record) -> CaseOut:
    """The case of what a query gives for COLUMNS."""
    return CaseOut.of(row_of(Case, record), [Linked(link["kind"], UUID(link["id"])) for link in record["links"]])


CASES = Listing(_RECORDS, _shown, "vu-viec", FILE)


async def read_case(reader: Reader, case_id: UUID) -> CaseOut:
    """One case. NotFound without one that the caller sees, ForeignArea for a team's leader."""
    return _shown(await reader.one(SEEN, f"SELECT {COLUMNS} FROM cases WHERE id = $1", case_id))


async def case_steps(reader: Reader, case_id: UUID) -> list[StepOut]:
    """The case's steps, oldest first."""
    await read_case(reader, case_id)
    rows = await reader.database.fetch("SELECT * FROM case_steps WHERE case_id = $1 ORDER BY id", case_id)
    return [StepOut.model_validate(dict(row)) for row in rows]


async def links_of(database: Database, case_id: UUID) -> list[Linked]:
    """What a case is linked to, in the order in which the links were made."""
    rows = await database.fetch(
        "SELECT kind, linked_id AS id, by_force FROM case_links l WHERE case_id = $1 AND removed_at IS NULL ORDER BY l.id",
        case_id,
    )
    return [Linked(**row) for row in rows]


async def cases_of_tip(database: Database, caller: Identity, tip_id: UUID) -> list[CaseOfTip]:
    """The cases that were found through a tip, oldest first: those that the caller may see, so none for a leader."""
    team, area = caller.reach("read_records", None)
    if team is not None:
        return []
    rows = await database.fetch(
        """SELECT cases.* FROM case_links l JOIN cases ON cases.id = l.case_id
        WHERE l.linked_id = $1 AND l.removed_at IS NULL AND cases.state <> 'withdrawn' AND cases.unit = ANY($2::text[])
        ORDER BY cases.id""",
        tip_id,
        area,
    )
    return [CaseOfTip.model_validate(dict(row)) for row in rows]
