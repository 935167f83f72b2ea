"""What may be read of members."""

from uuid import UUID

from services.teams.corrections import CorrectionOut, corrections_of
from services.teams.members.schemas import ListMembers, MemberHistory, MemberOut, MemberPage, TermOut
from services.teams.tables.members import Member, MemberTerm
from shared.access import Identity
from shared.database import Database
from shared.decisions import decision_of
from shared.errors import NotFound
from shared.outbox import row_of
from shared.outbox.rows import values_of


async def list_members(database: Database, caller: Identity, query: ListMembers) -> MemberPage:
    """A page of the members in the caller's reach."""
    own_team, area = caller.reach("read_registry", query.unit)
    rows = await database.fetch(
        """SELECT member.*, term.id AS shown FROM members member
        JOIN member_terms term ON term.member_id = member.id
          AND CASE WHEN $5::date IS NULL THEN term.id = member.term_id
              ELSE term.withdrawn_at IS NULL AND term.from_on <= $5 AND (term.until_on IS NULL OR term.until_on >= $5) END
        JOIN teams team ON team.id = term.team_id
        WHERE ($1::uuid IS NULL OR member.id > $1) AND ($2::uuid IS NULL OR team.id = $2)
          AND ($3::text[] IS NULL OR team.unit = ANY($3)) AND ($4::uuid IS NULL OR team.id = $4)
        ORDER BY member.id LIMIT $6""",
        query.after,
        own_team,
        area,
        query.team_id,
        query.on,
        query.limit,
    )
    shown = await database.fetch("SELECT * FROM member_terms WHERE id = ANY($1)", [row["shown"] for row in rows])
    terms = {term["id"]: row_of(MemberTerm, term) for term in shown}
    return MemberPage(items=[member_out(row_of(Member, row), terms[row["shown"]]) for row in rows])


async def read_member(database: Database, caller: Identity, member_id: UUID) -> MemberHistory:
    """One member with every term. NotFound without one, ForeignArea outside the caller's reach."""
    caller.require_role("read_registry")
    row = await database.fetchrow(
        """SELECT member.*, team.unit AS team_unit, team.id AS team_id FROM members member
        JOIN member_terms latest ON latest.id = member.term_id
        JOIN teams team ON team.id = latest.team_id
        WHERE member.id = $1""",
        member_id,
    )
    if row is None:
        raise NotFound(id=member_id)
    caller.require("read_registry", row["team_unit"], str(row["team_id"]))
    found = await database.fetch("SELECT * FROM member_terms WHERE member_id = $1 ORDER BY from_on, id", member_id)
    member, terms = row_of(Member, row), [row_of(MemberTerm, term) for term in found]
    latest = next(term for term in terms if term.id == member.term_id)
    return MemberHistory(**dict(member_out(member, latest)), terms=[term_out(term) for term in terms])


async def member_corrections(database: Database, caller: Identity, member_id: UUID) -> list[CorrectionOut]:
    """What was corrected of the member's terms. Raises as `read_member` does."""
    member = await read_member(database, caller, member_id)
    return await corrections_of(database, member_id, *[term.id for term in member.terms])


def member_out(member: Member, term: MemberTerm) -> MemberOut:
    """The member with this term, as it is shown."""
    return MemberOut.model_validate({**values_of(member), "term": term_out(term)})


def term_out(term: MemberTerm) -> TermOut:
    """The term as it is shown."""
    decision, end_decision = decision_of(term, "decision"), decision_of(term, "end_decision")
    return TermOut.model_validate({**values_of(term), "decision": decision, "end_decision": end_decision})
