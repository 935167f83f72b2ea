"""What may be read of cases."""

from uuid import UUID

from services.incidents.cases.schemas import CaseOfTip, CaseOut, CasePage, ListCases
from services.incidents.steps import StepOut
from shared.auth import Identity
from shared.database import Database, Row
from shared.errors import ForeignArea, NotFound

# A case with its links, in the order in which they were made; one index look-up for each row that is shown.
COLUMNS = """cases.*, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', l.kind, 'id', l.linked_id) ORDER BY l.id), '[]')
    FROM case_links l WHERE l.case_id = cases.id AND l.removed_at IS NULL
) AS links"""


async def list_cases(database: Database, caller: Identity, query: ListCases) -> CasePage:
    """A page of the cases in the caller's area. A case belongs to no team, so a leader sees none."""
    team, area = caller.reach("read_records", query.unit)
    if team is not None:
        raise ForeignArea(unit=query.unit or caller.unit)
    rows = await database.fetch(
        f"""SELECT {COLUMNS} FROM cases
        WHERE ($1::uuid IS NULL OR id > $1) AND unit = ANY($2::text[])
          AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR state = $4)
        ORDER BY id LIMIT $5""",
        query.after,
        area,
        query.kind,
        query.state,
        query.limit,
    )
    return CasePage(items=[CaseOut.of(dict(row)) for row in rows])


async def read_case(database: Database, caller: Identity, case_id: UUID) -> CaseOut:
    """One case. NotFound without one, ForeignArea outside the caller's area."""
    caller.require_role("read_records")
    row = await database.fetchrow(f"SELECT {COLUMNS} FROM cases WHERE id = $1", case_id)
    if row is None:
        raise NotFound(id=case_id)
    caller.require("read_records", row["unit"])
    return CaseOut.of(dict(row))


async def case_steps(database: Database, caller: Identity, case_id: UUID) -> list[StepOut]:
    """The case's steps, oldest first."""
    await read_case(database, caller, case_id)
    rows = await database.fetch("SELECT * FROM case_steps WHERE case_id = $1 ORDER BY id", case_id)
    return [StepOut.model_validate(dict(row)) for row in rows]


async def links_of(database: Database, case_id: UUID) -> list[Row]:
    """What a case is linked to, in the order in which the links were made: rows of kind and id."""
    rows = await database.fetch(
        "SELECT kind, linked_id AS id FROM case_links l WHERE case_id = $1 AND removed_at IS NULL ORDER BY l.id",
        case_id,
    )
    return [dict(row) for row in rows]


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
