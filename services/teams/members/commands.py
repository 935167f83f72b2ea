"""The verbs of members: recognise one, change the role, transfer, release, set the person's data right."""

from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.errors import AlreadyInForce, DayTooEarly, LeaderExists, MemberNotEligible
from services.teams.members.models import Member
from services.teams.members.reading import member_out
from services.teams.members.schemas import (
    ChangeMember,
    ChangeRole,
    MemberOut,
    RecogniseMember,
    ReleaseMember,
    TransferMember,
)
from services.teams.members.terms import begin_term, end_term, fact
from services.teams.teams.commands import require_standing
from services.teams.teams.models import Team
from shared import units
from shared.auth import Identity
from shared.database import Row
from shared.errors import NotFound, StepNotAllowed
from shared.events import Role
from shared.outbox import UnitOfWork
from shared.places import require_not_future, require_place, unit_on

YOUNGEST, OLDEST = 18, 70


async def recognise_member(work: UnitOfWork, caller: Identity, member: RecogniseMember) -> MemberOut:
    """Take a person into a team. Raises unless the person is eligible and in no team, and the role is free."""
    _require_eligible(member.born_on, member.from_on, member.over_70_decision)
    name_key = units.sort_key(member.full_name)
    team = await _open_team(
        work, caller, member.team_id, member.role, member.from_on, name_key=name_key, born_on=member.born_on
    )
    if team["in_force"] and not member.namesake:
        raise AlreadyInForce()
    id = uuid7()
    term = begin_term(work, caller, id, team, "MemberRecognised", member.role, member.from_on, member.decision)
    row = work.add(
        Member,
        id=id,
        name_key=name_key,
        **member.model_dump(exclude={"team_id", "role", "from_on", "decision"}),
        term_id=term["id"],
        recorded_by=caller.subject,
        version=1,
    )
    return member_out(row, term)


async def change_member(work: UnitOfWork, caller: Identity, member_id: UUID, changes: ChangeMember) -> MemberOut:
    """Set right what is known of the person; nothing of it is counted. Raises MemberNotEligible."""
    member, term = await _load(work, caller, member_id)
    values = changes.model_dump(exclude_none=True)
    changed = {**member, **values}
    values["name_key"] = units.sort_key(changed["full_name"])
    if changes.born_on or changes.over_70_decision is not None:
        first = await work.database.fetchrow(
            "SELECT min(from_on) AS on FROM member_terms WHERE member_id = $1", member_id
        )
        assert first is not None
        _require_eligible(changed["born_on"], first["on"], changed["over_70_decision"])
    # Who the person is stays here; that something was set right is told, so that the write has its position.
    work.emit("MemberChanged", term["id"], fact(term), fact(term), member_id=member_id, team_id=term["team_id"])
    return member_out(work.change(Member, member, **values), term)


async def change_role(work: UnitOfWork, caller: Identity, member_id: UUID, change: ChangeRole) -> MemberOut:
    """Give a member another role of the same team. Raises when the member has it or no other may have it."""
    member, term = await _load_in_force(work, caller, member_id, "change-role")
    if change.role == term["role"]:
        raise StepNotAllowed(role=term["role"], step="change-role")
    return await _move(work, caller, member, term, "role_changed", term["team_id"], change)


async def transfer_member(work: UnitOfWork, caller: Identity, member_id: UUID, transfer: TransferMember) -> MemberOut:
    """Move a member to another team. Raises when it is the same, is dissolved, or the role is not free."""
    member, term = await _load_in_force(work, caller, member_id, "transfer")
    if transfer.team_id == term["team_id"]:
        raise StepNotAllowed(team_id=term["team_id"], step="transfer")
    return await _move(work, caller, member, term, "transferred", transfer.team_id, transfer)


async def release_member(work: UnitOfWork, caller: Identity, member_id: UUID, release: ReleaseMember) -> MemberOut:
    """Release a member (cho thôi) at the end of a day; the term ends with it."""
    member, term = await _load_in_force(work, caller, member_id, "release")
    require_not_future(release.until_on)
    if release.until_on < term["from_on"]:
        raise DayTooEarly(day=release.until_on, earliest=term["from_on"])
    changed = work.change(Member, member, released_on=release.until_on)
    ended = end_term(work, term, "MemberReleased", release.until_on, release.ground, release.decision, release.reason)
    return member_out(changed, ended)


async def _move(
    work: UnitOfWork,
    caller: Identity,
    member: Row,
    term: Row,
    ended_for: Literal["role_changed", "transferred"],
    team_id: UUID,
    to: ChangeRole | TransferMember,
) -> MemberOut:
    """End the present term the day before another begins: two events, so that every level stays right."""
    if to.from_on <= term["from_on"]:
        raise DayTooEarly(day=to.from_on, earliest=term["from_on"] + timedelta(days=1))
    team = await _open_team(work, caller, team_id, to.role, to.from_on, member["id"])
    end_term(work, term, "MemberRoleChanged", to.from_on - timedelta(days=1), ended_for, to.decision)
    begun = begin_term(work, caller, member["id"], team, "MemberRoleChanged", to.role, to.from_on, to.decision)
    changed = work.change(Member, member, term_id=begun["id"])
    return member_out(changed, begun)


async def _load(work: UnitOfWork, caller: Identity, member_id: UUID) -> tuple[Row, Row]:
    """A member and the latest term, for who keeps the registry of the term's team."""
    caller.require_role("keep_registry")
    member = await work.load(Member, member_id)
    term = await work.database.fetchrow(
        """SELECT term.*, team.unit AS team_unit FROM member_terms term JOIN teams team ON team.id = term.team_id
        WHERE term.id = $1""",
        member["term_id"],
    )
    assert term is not None
    caller.require("keep_registry", term["team_unit"])
    return member, dict(term)


async def _load_in_force(work: UnitOfWork, caller: Identity, member_id: UUID, step: str) -> tuple[Row, Row]:
    member, term = await _load(work, caller, member_id)
    if member["released_on"] is not None:
        raise StepNotAllowed(state="released", step=step)
    return member, term


async def _open_team(
    work: UnitOfWork,
    caller: Identity,
    team_id: UUID,
    role: Role,
    from_on: date,
    member_id: UUID | None = None,
    name_key: str | None = None,
    born_on: date | None = None,
) -> Row:
    """The team that a term of `role` may begin in; its `in_force`: a person of that name and birth date is a member."""
    caller.require_role("keep_registry")
    found = await work.database.fetchrow(
        """SELECT teams.*,
          EXISTS (SELECT FROM member_terms
            WHERE team_id = teams.id AND role = 'leader' AND member_id IS DISTINCT FROM $3
              AND (until_on IS NULL OR until_on >= $2)) AS has_leader,
          EXISTS (SELECT FROM members
            WHERE name_key = $4 AND born_on = $5 AND NOT namesake
              AND (released_on IS NULL OR released_on >= $2)) AS in_force
        FROM teams WHERE id = $1""",
        team_id,
        from_on,
        member_id,
        name_key,
        born_on,
    )
    if found is None:
        raise NotFound(id=team_id)
    team = dict(found)
    caller.require("keep_registry", team["unit"])
    require_standing(team)
    require_place(unit_on(team["unit"], from_on), from_on)
    if from_on < team["from_on"]:
        raise DayTooEarly(day=from_on, earliest=team["from_on"])
    if role == "leader":
        if team["has_leader"]:
            raise LeaderExists(team_id=team_id)
        # Of two that become leader at the same instant, the second is decided again and finds the first.
        work.change(Team, team)
    return team


def _require_eligible(born_on: date, from_on: date, over_70_decision: bool) -> None:
    """Ages in completed years: a person of 70 is within, one of 71 needs the decision."""
    birthday_to_come = (from_on.month, from_on.day) < (born_on.month, born_on.day)
    age = from_on.year - born_on.year - birthday_to_come
    if age < YOUNGEST or (age > OLDEST and not over_70_decision):
        raise MemberNotEligible(youngest=YOUNGEST, oldest=OLDEST)
