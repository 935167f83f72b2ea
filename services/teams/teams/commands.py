"""The verbs of teams: create one, change what it is called, place it anew, dissolve it."""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import zip_longest
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.teams.corrections import Withdraw, require_not_withdrawn, set_right, withdraw
from services.teams.errors import DayTooEarly, TermsOutlastTeam, TermsOutsideTeam
from services.teams.placing import facts, require_standing, unit_of
from services.teams.tables.members import Member, MemberTerm
from services.teams.tables.teams import SEEN, Team
from services.teams.teams.reading import team_out
from services.teams.teams.schemas import ChangeTeam, CorrectTeam, CreateTeam, DissolveTeam, PlaceTeam, TeamOut
from services.teams.terms import begin_term, correct_term, end_of, end_term, realign_certificates, withdraw_term
from shared import events, references, units
from shared.access import Identity
from shared.decisions import Decision
from shared.errors import InvalidInput, StepNotAllowed
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import changed
from shared.validity import require_not_future, require_unit
from shared.workflow import load_seen


async def create_team(work: UnitOfWork, caller: Identity, team: CreateTeam) -> TeamOut:
    """Enter a team. Raises for a unit or a day that cannot be, a unit that is no commune, a foreign area, or a reference
    that its system has given before."""
    require_unit(team.unit, team.from_on)
    require_not_future(team.decision.signed_on)
    caller.require("keep_registry", team.unit)
    _require_commune(team.unit)
    await references.require_new(work, Team, caller.subject, team.reference)
    row = work.add(
        Team,
        id=uuid7(),
        unit=team.unit,
        name=team.name,
        hamlets=_json(team.hamlets),
        from_on=team.from_on,
        decision_number=team.decision.number,
        decision_on=team.decision.signed_on,
        decision_signer=team.decision.signer,
        recorded_by=caller.subject,
        source_system=caller.subject if team.reference else None,
        reference=team.reference,
    )
    _emit(work, "TeamCreated", None, row)
    return team_out(row)


async def change_team(work: UnitOfWork, caller: Identity, team_id: UUID, changes: ChangeTeam) -> TeamOut:
    """Change the team's name or hamlets; nothing of it is counted. Raises TeamDissolved."""
    team = await _load(work, caller, team_id)
    require_standing(team)
    values = changes.model_dump(exclude_none=True)
    if changes.hamlets is not None:
        values["hamlets"] = _json(changes.hamlets)
    changed = work.change(team, values)
    _emit(work, "TeamChanged", team, changed)
    return team_out(changed)


async def dissolve_team(work: UnitOfWork, caller: Identity, team_id: UUID, dissolution: DissolveTeam) -> TeamOut:
    """End the team and, the same day, its members' open terms. Raises when a member was in it after that day."""
    team = await _load(work, caller, team_id)
    require_standing(team)
    until_on = dissolution.until_on
    require_not_future(until_on)
    first = team.placed_on or team.from_on
    if until_on < first:
        raise DayTooEarly(day=until_on, earliest=first)
    found = await work.database.fetch(
        """SELECT * FROM member_terms
        WHERE team_id = $1 AND withdrawn_at IS NULL AND (until_on IS NULL OR until_on > $2)""",
        team_id,
        until_on,
    )
    terms = [row_of(MemberTerm, row) for row in found]
    if any(term.until_on is not None or term.from_on > until_on for term in terms):
        raise TermsOutlastTeam(day=until_on)
    members = await work.database.fetch("SELECT * FROM members WHERE id = ANY($1)", [term.member_id for term in terms])
    dissolved = work.change(team, dissolution.decision.columns("dissolution"))
    dissolved.until_on, dissolved.dissolution_reason = until_on, dissolution.reason
    for row in members:
        work.change(row_of(Member, row)).released_on = until_on
    for term in terms:
        end_term(work, term, "MemberReleased", until_on, "team_dissolved", dissolution.decision)
    _emit(work, "TeamDissolved", team, dissolved)
    return team_out(dissolved)


async def place_team(work: UnitOfWork, caller: Identity, team_id: UUID, placement: PlaceTeam) -> TeamOut:
    """Place a team whose commune was split, and its members, in a commune that this became, from a day on.

    Raises StepNotAllowed for one that was placed already, DayTooEarly for a day on which it was not in its commune before.
    """
    team = await _load(work, caller, team_id)
    require_standing(team)
    if team.placed_on is not None:
        raise StepNotAllowed(placed_on=team.placed_on, step="place")
    _require_successor(team.unit, placement.unit)
    require_unit(placement.unit, placement.from_on)
    caller.require("keep_registry", placement.unit)
    if placement.from_on <= team.from_on:
        raise DayTooEarly(day=placement.from_on, earliest=team.from_on + timedelta(days=1))
    placed = work.change(team, placement.decision.columns("placement"))
    placed.unit, placed.left_unit, placed.placed_on = placement.unit, team.unit, placement.from_on
    await _move_members(work, caller, placed, placement.decision)
    _emit(work, "TeamPlaced", team, placed)
    return team_out(placed)


async def correct_team(work: UnitOfWork, caller: Identity, team_id: UUID, correction: CorrectTeam) -> TeamOut:
    """Set right what was entered wrongly; the figures follow. Raises TermsOutsideTeam for days that leave a term out."""
    team = await _load(work, caller, team_id)
    values = correction.model_dump(include={"unit", "name", "from_on"}, exclude_none=True)
    if correction.hamlets is not None:
        values["hamlets"] = _json(correction.hamlets)
    if correction.decision is not None:
        values |= correction.decision.columns("decision")
    if {"until_on", "dissolution"} & correction.model_fields_set:
        values |= _dissolution_set_right(team, correction)
    taken_back = "placed_on" in correction.model_fields_set
    if taken_back:
        values = {"unit": team.left_unit, **values, **_placement_taken_back(team)}
    corrected = changed(team, values)
    if corrected.placed_on is not None and corrected.left_unit is not None:
        if corrected.from_on >= corrected.placed_on:
            raise DayTooEarly(day=corrected.placed_on, earliest=corrected.from_on + timedelta(days=1))
        require_unit(corrected.left_unit, corrected.from_on)
        _require_successor(corrected.left_unit, corrected.unit)
    # A team keeps the unit that it was entered or placed in, whose edition held on its first day there.
    require_unit(corrected.unit, corrected.placed_on or corrected.from_on)
    caller.require("keep_registry", corrected.unit)
    _require_commune(corrected.unit)
    first = corrected.placed_on or corrected.from_on
    if corrected.until_on is not None and corrected.until_on < first:
        raise DayTooEarly(day=corrected.until_on, earliest=first)
    after = set_right(work, caller, "team", team, correction.reason, values)
    terms = {term.id: term for term in await _terms_of(work, team_id)}
    if taken_back:
        terms = await _take_members_back(work, caller, team, terms, correction.reason)
    await _move_terms(work, caller, after, terms.values(), correction.reason)
    _emit(work, "TeamCorrected", team, after)
    return team_out(after)


async def withdraw_team(work: UnitOfWork, caller: Identity, team_id: UUID, withdrawal: Withdraw) -> TeamOut:
    """Take a team back that should never have been entered. Raises TermsOutsideTeam while it has a member's term."""
    team = await _load(work, caller, team_id)
    if await _terms_of(work, team_id):
        raise TermsOutsideTeam(team_id=team_id)
    withdrawn = withdraw(work, caller, "team", team, withdrawal.reason)
    _emit(work, "TeamWithdrawn", team, None)
    return team_out(withdrawn)


def _dissolution_set_right(team: Team, correction: CorrectTeam) -> dict[str, object]:
    if team.until_on is None:
        raise InvalidInput(errors=[{"at": "until_on", "code": "not-dissolved", "message": "the team is not dissolved"}])
    if "until_on" in correction.model_fields_set and correction.until_on is None:
        kept = ("until_on", "dissolution_number", "dissolution_on", "dissolution_signer", "dissolution_reason")
        return dict.fromkeys(kept)
    values: dict[str, object] = {}
    if correction.until_on is not None:
        require_not_future(correction.until_on)
        values["until_on"] = correction.until_on
    if correction.dissolution is not None:
        values |= correction.dissolution.columns("dissolution")
    return values


def _placement_taken_back(team: Team) -> dict[str, object]:
    if team.placed_on is None:
        raise InvalidInput(
            errors=[{"at": "placed_on", "code": "not-placed", "message": "the team was not placed anew"}]
        )
    return dict.fromkeys(("left_unit", "placed_on", "placement_number", "placement_on", "placement_signer"))


async def _move_members(work: UnitOfWork, caller: Identity, placed: Team, decision: Decision) -> None:
    """The members go with their team: a term that lasts over that day becomes two, and a later one is where the team is."""
    placed_on, why = placed.placed_on, f"Quyết định số {decision.number}"
    assert placed_on is not None
    for term in await _terms_of(work, placed.id):
        if (term.until_on or date.max) < placed_on:
            continue
        if term.from_on >= placed_on:
            changed = [correct_term(work, caller, term, why, unit=unit_of(placed, term.from_on))]
        else:
            ended = end_term(work, term, "MemberPlaced", placed_on - timedelta(days=1), "team_placed", decision)
            begun = begin_term(
                work, caller, term.member_id, placed, "MemberPlaced", term.role, placed_on, decision, ends_as=term
            )
            changed = [ended, begun]
            await _latest_is(work, term, begun)
        await realign_certificates(work, caller, term.member_id, changed, why)


async def _take_members_back(
    work: UnitOfWork, caller: Identity, placed: Team, terms: dict[UUID, MemberTerm], reason: str
) -> dict[UUID, MemberTerm]:
    """A term that became two when the team was placed is one again; the team's terms as they stand then."""
    begun_by = {term.member_id: term for term in terms.values() if term.from_on == placed.placed_on}
    stand = dict(terms)
    for term in terms.values():
        if term.ended_for != "team_placed":
            continue
        begun = begun_by[term.member_id]
        withdrawn = withdraw_term(work, caller, begun, reason)
        one = correct_term(work, caller, term, reason, **end_of(begun))
        await _latest_is(work, begun, one)
        stand[one.id] = one
        del stand[begun.id]
        await realign_certificates(work, caller, term.member_id, [withdrawn, one], reason)
    return stand


async def _latest_is(work: UnitOfWork, was: MemberTerm, now_is: MemberTerm) -> None:
    """Where the one term was its member's latest, the other is."""
    member = await work.look_up(Member, was.member_id)
    if member is not None and member.term_id == was.id:
        work.change(member).term_id = now_is.id


async def _move_terms(
    work: UnitOfWork, caller: Identity, corrected: Team, terms: Iterable[MemberTerm], reason: str
) -> None:
    """The terms of a team whose unit or last day is corrected follow it, with the certificates given in them."""
    for term in terms:
        values: dict[str, object] = {"unit": unit_of(corrected, term.from_on)}
        if term.ended_for == "team_dissolved":
            values["until_on"] = corrected.until_on
            if corrected.until_on is None:
                values |= dict.fromkeys(("ended_for", "end_decision_number", "end_decision_on", "end_decision_signer"))
        first, last = term.from_on, changed(term, values).until_on or date.max
        if not corrected.from_on <= first <= last <= (corrected.until_on or date.max):
            raise TermsOutsideTeam(term_id=term.id)
        if all(getattr(term, name) == value for name, value in values.items()):
            continue
        moved = correct_term(work, caller, term, reason, **values)
        if moved.until_on != term.until_on:
            member = await work.look_up(Member, term.member_id)
            assert member is not None
            work.change(member).released_on = moved.until_on
        await realign_certificates(work, caller, moved.member_id, [moved], reason)


async def _terms_of(work: UnitOfWork, team_id: UUID) -> list[MemberTerm]:
    rows = await work.database.fetch(
        "SELECT * FROM member_terms WHERE team_id = $1 AND withdrawn_at IS NULL ORDER BY id", team_id
    )
    return [row_of(MemberTerm, row) for row in rows]


async def _load(work: UnitOfWork, caller: Identity, team_id: UUID) -> Team:
    """A team that may be changed by who keeps the registry of its unit."""
    team = await load_seen(work, caller, Team, team_id, SEEN, "keep_registry")
    require_not_withdrawn(team)
    return team


def _require_commune(id: str) -> None:
    unit = units.get(id)
    if unit is None or unit.level != "commune":
        raise InvalidInput(errors=[{"at": "unit", "code": "level", "message": "a team belongs to a commune"}])


def _require_successor(left: str, unit: str) -> None:
    if unit not in units.later(left):
        raise InvalidInput(
            errors=[{"at": "unit", "code": "no-successor", "message": "the team's commune did not become this one"}]
        )


def _json(hamlets: list[str]) -> str:
    return msgspec.json.encode(hamlets).decode()


def _emit(work: UnitOfWork, type: str, before: Team | None, after: Team | None) -> None:
    """An event for each of its units in which something changed; the last one says where the team is now."""
    each_unit: list[tuple[events.Team | None, events.Team | None]] = list(
        zip_longest(facts(before) if before else [], facts(after) if after else [])
    )
    changed = [pair for pair in each_unit if pair[0] != pair[1]] or each_unit[-1:]
    team = after or before
    assert team is not None
    for was, now_is in sorted(changed, key=lambda pair: pair[1] is not None):
        work.emit(type, team.id, was, now_is)
