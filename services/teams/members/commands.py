"""The verbs of members: recognise one, change the role, transfer, release, set the person's data right."""

from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from services.teams.corrections import Withdraw, require_not_withdrawn, withdraw
from services.teams.errors import (
    AlreadyInForce,
    CertificateStands,
    DayTooEarly,
    LeaderExists,
    MemberNotEligible,
    TeamPlaced,
    TermsOutsideTeam,
    TermsOverlap,
)
from services.teams.members.reading import SEEN, member_out
from services.teams.members.schemas import (
    ChangeMember,
    ChangeRole,
    CorrectTerm,
    MemberOut,
    RecogniseMember,
    ReleaseMember,
    TransferMember,
)
from services.teams.placing import require_standing, unit_of
from services.teams.tables.members import Member, MemberTerm
from services.teams.tables.teams import SEEN as TEAM_SEEN
from services.teams.tables.teams import Team
from services.teams.terms import (
    END,
    begin_term,
    correct_term,
    end_of,
    end_term,
    fact,
    realign_certificates,
    withdraw_term,
)
from shared import references, units
from shared.access import Identity
from shared.errors import InvalidInput, NotFound, StepNotAllowed
from shared.events.teams import Role
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import changed
from shared.validity import require_not_future, require_unit

YOUNGEST, OLDEST = 18, 70
# For each team, first day, member who is not looked at, name and birth date that are asked about: the team, whether it has
# a leader from that day on, and whether a person of that name and birth date is in the force.
OPEN_TEAMS = """
SELECT asked.number, teams.*,
  EXISTS (SELECT FROM member_terms
    WHERE team_id = teams.id AND role = 'leader' AND member_id IS DISTINCT FROM asked.but_member
      AND withdrawn_at IS NULL AND (until_on IS NULL OR until_on >= asked.first_on)) AS has_leader,
  EXISTS (SELECT FROM members
    WHERE name_key = asked.person AND born_on = asked.birth AND NOT namesake AND withdrawn_at IS NULL
      AND (released_on IS NULL OR released_on >= asked.first_on)) AS in_force
FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::text[], $5::date[]) WITH ORDINALITY
  AS asked (team, first_on, but_member, person, birth, number)
JOIN teams ON teams.id = asked.team
"""
# For each member that is asked about: the first term.
FIRST_TERMS = """
SELECT DISTINCT ON (asked.number) asked.number, term.*
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (member, number)
JOIN member_terms term ON term.member_id = asked.member
ORDER BY asked.number, term.withdrawn_at IS NOT NULL, term.from_on
"""


async def recognise_member(work: UnitOfWork, caller: Identity, member: RecogniseMember) -> MemberOut:
    """Take a person into a team. Raises unless the person is eligible and in no team, and the role is free, or for a
    reference that its system has given before."""
    _require_eligible(member.born_on, member.from_on, member.over_70_decision)
    caller.require_role("keep_registry")
    team_id = await references.named(work, Team, caller.subject, member, "team")
    name_key = units.sort_key(member.full_name)
    await references.require_new(work, Member, caller.subject, member.reference)
    team, in_force = await _open_team(
        work, caller, team_id, member.role, member.from_on, name_key=name_key, born_on=member.born_on
    )
    if in_force and not member.namesake:
        raise AlreadyInForce()
    id = uuid7()
    term = begin_term(work, caller, id, team, "MemberRecognised", member.role, member.from_on, member.decision)
    row = work.add(
        Member,
        id=id,
        full_name=member.full_name,
        name_key=name_key,
        born_on=member.born_on,
        gender=member.gender,
        origin=member.origin,
        over_70_decision=member.over_70_decision,
        namesake=member.namesake,
        term_id=term.id,
        recorded_by=caller.subject,
        source_system=caller.subject if member.reference else None,
        reference=member.reference,
    )
    return member_out(row, term)


async def change_member(work: UnitOfWork, caller: Identity, member_id: UUID, changes: ChangeMember) -> MemberOut:
    """Set right what is known of the person; nothing of it is counted. Raises MemberNotEligible."""
    member, term = await _load(work, caller, member_id)
    after = work.change(member, changes.model_dump(exclude_none=True))
    after.name_key = units.sort_key(after.full_name)
    if changes.born_on or changes.over_70_decision is not None:
        first = await work.database.fetchrow(
            "SELECT min(from_on) AS on FROM member_terms WHERE member_id = $1 AND withdrawn_at IS NULL", member_id
        )
        assert first is not None
        _require_eligible(after.born_on, first["on"], after.over_70_decision)
    # Who the person is stays here; that something was set right is an event, so that the write has its position.
    work.emit("MemberChanged", term.id, fact(term), fact(term), member_id=member_id, team_id=term.team_id)
    return member_out(after, term)


async def change_role(work: UnitOfWork, caller: Identity, member_id: UUID, change: ChangeRole) -> MemberOut:
    """Give a member another role of the same team. Raises when the member has it or no other may have it."""
    member, term = await _load_in_force(work, caller, member_id, "change-role")
    if change.role == term.role:
        raise StepNotAllowed(role=term.role, step="change-role")
    return await _move(work, caller, member, term, "role_changed", term.team_id, change)


async def transfer_member(work: UnitOfWork, caller: Identity, member_id: UUID, transfer: TransferMember) -> MemberOut:
    """Move a member to another team. Raises when it is the same, is dissolved, or the role is not free."""
    member, term = await _load_in_force(work, caller, member_id, "transfer")
    if transfer.team_id == term.team_id:
        raise StepNotAllowed(team_id=term.team_id, step="transfer")
    return await _move(work, caller, member, term, "transferred", transfer.team_id, transfer)


async def release_member(work: UnitOfWork, caller: Identity, member_id: UUID, release: ReleaseMember) -> MemberOut:
    """Release a member (cho thôi) at the end of a day; the term ends with it."""
    member, term = await _load_in_force(work, caller, member_id, "release")
    require_not_future(release.until_on)
    if release.until_on < term.from_on:
        raise DayTooEarly(day=release.until_on, earliest=term.from_on)
    after = work.change(member)
    after.released_on = release.until_on
    ended = end_term(work, term, "MemberReleased", release.until_on, release.ground, release.decision, release.reason)
    await realign_certificates(work, caller, member_id, [ended], f"Quyết định số {release.decision.number}")
    return member_out(after, ended)


async def correct_member_term(
    work: UnitOfWork, caller: Identity, member_id: UUID, term_id: UUID, correction: CorrectTerm
) -> MemberOut:
    """Set right what was entered wrongly of a term; every level and every certificate given in it follows."""
    member, latest = await _load(work, caller, member_id)
    terms = await _terms_of(work, member_id)
    at = next((index for index, term in enumerate(terms) if term.id == term_id), None)
    if at is None:
        raise NotFound(id=term_id)
    term, before = terms[at], terms[at - 1] if at else None
    values = correction.model_dump(include={"role", "from_on"}, exclude_none=True)
    if correction.decision is not None:
        values |= correction.decision.columns("decision")
    if {"until_on", "ground", "end_decision"} & correction.model_fields_set:
        values |= _release_set_right(term, correction)
    corrected = changed(term, values)
    team = await _team_for(work, caller, corrected)
    values["unit"] = unit_of(team, corrected.from_on)
    follows = before is not None and before.until_on == term.from_on - timedelta(days=1)
    if before is not None and corrected.from_on <= (before.from_on if follows else before.until_on or date.max):
        raise TermsOverlap(term_id=before.id)
    if corrected.until_on is not None and corrected.until_on < corrected.from_on:
        raise TermsOverlap(term_id=term_id)
    if before is not None and before.ended_for == "team_placed" and corrected.from_on != term.from_on:
        raise TeamPlaced(term_id=term_id)
    if before is None:
        _require_eligible(member.born_on, corrected.from_on, member.over_70_decision)
    set_right = []
    if before is not None and follows and corrected.from_on != term.from_on:
        ends_on = corrected.from_on - timedelta(days=1)
        set_right.append(correct_term(work, caller, before, correction.reason, until_on=ends_on))
    set_right.append(correct_term(work, caller, term, correction.reason, **values))
    await realign_certificates(work, caller, member_id, set_right, correction.reason)
    is_latest = term_id == latest.id
    # Moved on also where nothing of it changes, so that no two terms of a member are set right at the same instant.
    after = work.change(member)
    if is_latest:
        after.released_on = corrected.until_on
    return member_out(after, set_right[-1] if is_latest else latest)


async def withdraw_member_term(
    work: UnitOfWork, caller: Identity, member_id: UUID, term_id: UUID, withdrawal: Withdraw
) -> MemberOut:
    """Take a promotion or a transfer back that never was: the term before goes on. Only the latest one can be."""
    member, latest = await _load(work, caller, member_id)
    terms = await _terms_of(work, member_id)
    if term_id not in {term.id for term in terms}:
        raise NotFound(id=term_id)
    if term_id != latest.id or len(terms) < 2:
        raise StepNotAllowed(step="withdraw", term_id=term_id)
    before = terms[-2]
    if before.ended_for == "team_placed":
        raise TeamPlaced(term_id=term_id)
    withdrawn = withdraw_term(work, caller, terms[-1], withdrawal.reason)
    end = end_of(withdrawn)
    await _team_for(work, caller, changed(before, {"until_on": withdrawn.until_on}), instead_of=term_id)
    reopened = correct_term(work, caller, before, withdrawal.reason, **end)
    await realign_certificates(work, caller, member_id, [withdrawn, reopened], withdrawal.reason)
    after = work.change(member)
    after.term_id = before.id
    return member_out(after, reopened)


async def withdraw_member(work: UnitOfWork, caller: Identity, member_id: UUID, withdrawal: Withdraw) -> MemberOut:
    """Take a member back who was never one, with every term. Raises CertificateStands while a certificate does."""
    member, _ = await _load(work, caller, member_id)
    certificate = await work.database.fetchrow(
        "SELECT id FROM certificates WHERE member_id = $1 AND revoked_on IS NULL LIMIT 1", member_id
    )
    if certificate is not None:
        raise CertificateStands(certificate_id=certificate["id"])
    terms = await _terms_of(work, member_id)
    gone = [withdraw_term(work, caller, term, withdrawal.reason) for term in terms]
    return member_out(withdraw(work, caller, "member", member, withdrawal.reason), gone[-1])


def _release_set_right(term: MemberTerm, correction: CorrectTerm) -> dict[str, object]:
    """The end of a released member's term; another term's end lies where the next one begins, or with the team."""
    if term.until_on is None or term.ended_for in (
        "role_changed",
        "transferred",
        "team_placed",
        "team_dissolved",
    ):
        raise InvalidInput(
            errors=[{"at": "until_on", "code": "not-released", "message": "the term did not end by a release"}]
        )
    if "until_on" in correction.model_fields_set and correction.until_on is None:
        return dict.fromkeys(END)
    values: dict[str, object] = {}
    if correction.until_on is not None:
        require_not_future(correction.until_on)
        values["until_on"] = correction.until_on
    if correction.ground is not None:
        values["ended_for"] = correction.ground
    if correction.end_decision is not None:
        values |= correction.end_decision.columns("end_decision")
    return values


async def _terms_of(work: UnitOfWork, member_id: UUID) -> list[MemberTerm]:
    """The terms of a member that stand, oldest first."""
    rows = await work.database.fetch(
        "SELECT * FROM member_terms WHERE member_id = $1 AND withdrawn_at IS NULL ORDER BY from_on", member_id
    )
    return [row_of(MemberTerm, row) for row in rows]


async def _team_for(work: UnitOfWork, caller: Identity, term: MemberTerm, instead_of: UUID | None = None) -> Team:
    """The team of a term as it is set right: the term lies in its days, and a leader is the only one."""
    team = await work.look_up(Team, term.team_id)
    assert team is not None
    caller.require("keep_registry", team.unit)
    require_unit(unit_of(team, term.from_on), term.from_on)
    until_on = term.until_on
    if team.placed_on is not None and term.from_on < team.placed_on <= (until_on or date.max):
        raise TeamPlaced(team_id=team.id, placed_on=team.placed_on)
    if term.from_on < team.from_on or (until_on or date.max) > (team.until_on or date.max):
        raise TermsOutsideTeam(team_id=team.id)
    if term.role == "leader":
        other = await work.database.fetchrow(
            """SELECT FROM member_terms WHERE team_id = $1 AND role = 'leader' AND withdrawn_at IS NULL
            AND id <> $2 AND id IS DISTINCT FROM $5 AND from_on <= coalesce($4::date, 'infinity')
            AND coalesce(until_on, 'infinity') >= $3::date""",
            team.id,
            term.id,
            term.from_on,
            until_on,
            instead_of,
        )
        if other is not None:
            raise LeaderExists(team_id=team.id)
        # Of two that become leader at the same instant, the second is decided again and finds the first.
        work.change(team)
    return team


async def _move(
    work: UnitOfWork,
    caller: Identity,
    member: Member,
    term: MemberTerm,
    ended_for: Literal["role_changed", "transferred"],
    team_id: UUID,
    to: ChangeRole | TransferMember,
) -> MemberOut:
    """End the present term the day before another begins: two events, so that every level stays right."""
    if to.from_on <= term.from_on:
        raise DayTooEarly(day=to.from_on, earliest=term.from_on + timedelta(days=1))
    team, _ = await _open_team(work, caller, team_id, to.role, to.from_on, member.id)
    ended = end_term(work, term, "MemberRoleChanged", to.from_on - timedelta(days=1), ended_for, to.decision)
    begun = begin_term(work, caller, member.id, team, "MemberRoleChanged", to.role, to.from_on, to.decision)
    await realign_certificates(work, caller, member.id, [ended, begun], f"Quyết định số {to.decision.number}")
    after = work.change(member)
    after.term_id = begun.id
    return member_out(after, begun)


async def _load(work: UnitOfWork, caller: Identity, member_id: UUID) -> tuple[Member, MemberTerm]:
    """A member and the latest term, for who keeps the registry of the term's team."""
    caller.require_role("keep_registry")
    member = await work.look_up(Member, member_id)
    # After the member, whose version guards it: what was moved on meanwhile is decided again.
    found = await work.database.fetchrow(
        """SELECT term.*, team.unit AS team_unit FROM member_terms term JOIN teams team ON team.id = term.team_id
        WHERE term.id = $1""",
        member.term_id if member is not None else None,
    )
    if member is None or found is None or not caller.sees(SEEN, found.__getitem__, "keep_registry"):
        raise NotFound(id=member_id)
    work.require_matched(member)
    require_not_withdrawn(member)
    return member, row_of(MemberTerm, found)


async def _load_in_force(work: UnitOfWork, caller: Identity, member_id: UUID, step: str) -> tuple[Member, MemberTerm]:
    member, term = await _load(work, caller, member_id)
    if member.released_on is not None:
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
) -> tuple[Team, bool]:
    """The team that a term of `role` may begin in; whether a person of that name and birth date is a member."""
    caller.require_role("keep_registry")
    found = await work.database.fetchrow(OPEN_TEAMS, [team_id], [from_on], [member_id], [name_key], [born_on])
    if found is None or not caller.sees(TEAM_SEEN, found.__getitem__, "keep_registry"):
        raise NotFound(id=team_id)
    team = row_of(Team, found)
    require_standing(team)
    require_unit(unit_of(team, from_on), from_on)
    if from_on < team.from_on:
        raise DayTooEarly(day=from_on, earliest=team.from_on)
    if team.placed_on is not None and from_on < team.placed_on:
        raise TeamPlaced(team_id=team_id, placed_on=team.placed_on)
    if role == "leader":
        if found["has_leader"]:
            raise LeaderExists(team_id=team_id)
        # Of two that become leader at the same instant, the second is decided again and finds the first.
        work.change(team)
    return team, found["in_force"]


def _require_eligible(born_on: date, from_on: date, over_70_decision: bool) -> None:
    """Ages in completed years: a person of 70 is within, one of 71 needs the decision."""
    birthday_to_come = (from_on.month, from_on.day) < (born_on.month, born_on.day)
    age = from_on.year - born_on.year - birthday_to_come
    if age < YOUNGEST or (age > OLDEST and not over_70_decision):
        raise MemberNotEligible(youngest=YOUNGEST, oldest=OLDEST)
