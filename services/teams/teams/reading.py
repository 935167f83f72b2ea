"""What may be read of teams."""

from uuid import UUID

import asyncpg
import msgspec

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.tables.teams import SEEN, WORDS, Team
from services.teams.teams.schemas import ListedTeam, TeamOut
from shared.decisions import decision_of
from shared.http import Reader
from shared.listing import Column, Listing, Records, name_of, value_of, word_of
from shared.outbox import row_of
from shared.outbox.rows import values_of

_RECORDS = Records(
    "teams",
    at="id",
    day="from_on",
    may=SEEN.may,
    filters={"state": "state = {state}"},
    of_team="id = {own_team}::uuid",
    rows="""SELECT teams.*, CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn'
        WHEN until_on IS NOT NULL THEN 'dissolved' ELSE 'active' END AS state FROM teams""",
    words=WORDS,
)

# The words of a state as people write them.
LABELS = {"active": "đang hoạt động", "dissolved": "đã giải thể", "withdrawn": "đã hủy vì nhập sai"}

# A team as a file shows it to people.
FILE = [
    Column("Mã Tổ", value_of("id")),
    Column("Tên Tổ", value_of("name")),
    Column("Mã đơn vị", value_of("unit")),
    Column("Đơn vị", name_of("unit")),
    Column("Thôn, tổ dân phố", value_of("hamlets")),
    Column("Ngày thành lập", value_of("from_on")),
    Column("Quyết định thành lập", lambda team: team.decision.number),
    Column("Ngày ký", lambda team: team.decision.signed_on),
    Column("Người ký", lambda team: team.decision.signer),
    Column("Trạng thái", word_of("state", LABELS)),
    Column("Ngày kết thúc hoạt động", value_of("until_on")),
    Column("Quyết định giải thể", lambda team: team.dissolution and team.dissolution.number),
    Column("Lý do giải thể", value_of("dissolution_reason")),
    Column("Đơn vị trước khi bố trí lại", name_of("left_unit")),
    Column("Ngày bố trí lại", value_of("placed_on")),
    Column("Số tham chiếu", value_of("reference")),
]


def _listed(record: asyncpg.Record) -> ListedTeam:
    return ListedTeam(**dict(team_out(row_of(Team, record))), state=record["state"])


TEAMS = Listing(_RECORDS, _listed, "to-bao-ve-antt", FILE)


async def read_team(reader: Reader, team_id: UUID) -> TeamOut:
    """One team. NotFound without one that the caller sees."""
    return team_out(row_of(Team, await reader.one(SEEN, "SELECT * FROM teams WHERE id = $1", team_id)))


async def team_corrections(reader: Reader, team_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the team. Raises as `read_team` does."""
    await read_team(reader, team_id)
    return await corrections_of(reader.database, team_id)


def team_out(team: Team) -> TeamOut:
    """The team as it is shown."""
    return TeamOut.model_validate(
        {
            **values_of(team),
            "hamlets": msgspec.json.decode(team.hamlets),
            "decision": decision_of(team, "decision"),
            "dissolution": decision_of(team, "dissolution"),
            "placement": decision_of(team, "placement"),
        }
    )
