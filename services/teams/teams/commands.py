"""The verbs of teams: create one, change what it is called, dissolve it."""

from datetime import date
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.teams.corrections import Withdraw, require_not_withdrawn, set_right, withdraw
from services.teams.errors import DayTooEarly, TeamDissolved, TermsOutlastTeam, TermsOutsideTeam
from services.teams.members.models import Member
from services.teams.members.terms import correct_term, end_term, realign_certificates
from services.teams.teams.models import Team
from services.teams.teams.reading import team_out
from services.teams.teams.schemas import ChangeTeam, CorrectTeam, CreateTeam, DissolveTeam, TeamOut
from shared import events, units
from shared.auth import Identity
from shared.database import Row
from shared.errors import InvalidInput
from shared.outbox import UnitOfWork
from shared.places import require_not_future, require_place, unit_on


async def create_team(work: UnitOfWork, caller: Identity, team: CreateTeam) -> TeamOut:
    """Enter a team. Raises for a place or a day that cannot be, a unit that is no commune, or a foreign area."""
    require_place(team.unit, team.from_on)
    caller.require("keep_registry", team.unit)
    _require_commune(team.unit)
    row = work.add(
        Team,
        id=uuid7(),
        unit=team.unit,
        name=team.name,
        hamlets=_json(team.hamlets),
        from_on=team.from_on,
        **team.decision.columns("decision"),
        recorded_by=caller.subject,
        version=1,
    )
    work.emit("TeamCreated", row["id"], None, fact(row))
    return team_out(row)


async def change_team(work: UnitOfWork, caller: Identity, team_id: UUID, changes: ChangeTeam) -> TeamOut:
    """Change the team's name or hamlets; nothing of it is counted. Raises TeamDissolved."""
    team = await _load(work, caller, team_id)
    require_standing(team)
    values = changes.model_dump(exclude_none=True)
    if changes.hamlets is not None:
        values["hamlets"] = _json(changes.hamlets)
    changed = work.change(Team, team, **values)
    work.emit("TeamChanged", team_id, fact(team), fact(changed))
    return team_out(changed)


async def dissolve_team(work: UnitOfWork, caller: Identity, team_id: UUID, dissolution: DissolveTeam) -> TeamOut:
    """End the team and, the same day, its members' open terms. Raises when a member was in it after that day."""
    team = await _load(work, caller, team_id)
    require_standing(team)
    until_on = dissolution.until_on
    require_not_future(until_on)
    if until_on < team["from_on"]:
        raise DayTooEarly(day=until_on, earliest=team["from_on"])
    terms = await work.database.fetch(
        """SELECT * FROM member_terms
        WHERE team_id = $1 AND withdrawn_at IS NULL AND (until_on IS NULL OR until_on > $2)""",
        team_id,
        until_on,
    )
    if any(term["until_on"] is not None or term["from_on"] > until_on for term in terms):
        raise TermsOutlastTeam(day=until_on)
    members = await work.database.fetch(
        "SELECT * FROM members WHERE id = ANY($1)", [term["member_id"] for term in terms]
    )
    changed = work.change(
        Team,
        team,
        until_on=until_on,
        **dissolution.decision.columns("dissolution"),
        dissolution_reason=dissolution.reason,
    )
    for member in members:
        work.change(Member, dict(member), released_on=until_on)
    for term in terms:
        end_term(work, dict(term), "MemberReleased", until_on, "team_dissolved", dissolution.decision)
    work.emit("TeamDissolved", team_id, fact(team), fact(changed))
    return team_out(changed)


async def correct_team(work: UnitOfWork, caller: Identity, team_id: UUID, correction: CorrectTeam) -> TeamOut:
    """Set right what was entered wrongly; the figures follow. Raises TermsOutsideTeam for days that leave a term out."""
    team = await _load(work, caller, team_id)
    values = correction.model_dump(include={"unit", "from_on"}, exclude_none=True)
    if correction.decision is not None:
        values |= correction.decision.columns("decision")
    if {"until_on", "dissolution"} & correction.model_fields_set:
        values |= _dissolution_set_right(team, correction)
    corrected = {**team, **values}
    # A team keeps the unit that it was entered in, whose edition held on its first day.
    require_place(corrected["unit"], corrected["from_on"])
    caller.require("keep_registry", corrected["unit"])
    _require_commune(corrected["unit"])
    if corrected["until_on"] is not None and corrected["until_on"] < corrected["from_on"]:
        raise DayTooEarly(day=corrected["until_on"], earliest=corrected["from_on"])
    changed = set_right(work, caller, "team", Team, team, correction.reason, **values)
    await _move_terms(work, caller, team, changed, correction.reason)
    work.emit("TeamCorrected", team_id, fact(team), fact(changed))
    return team_out(changed)


async def withdraw_team(work: UnitOfWork, caller: Identity, team_id: UUID, withdrawal: Withdraw) -> TeamOut:
    """Take a team back that should never have been entered. Raises TermsOutsideTeam while it has a member's term."""
    team = await _load(work, caller, team_id)
    if await _terms_of(work, team_id):
        raise TermsOutsideTeam(team_id=team_id)
    withdrawn = withdraw(work, caller, "team", Team, team, withdrawal.reason)
    work.emit("TeamWithdrawn", team_id, fact(team), None)
    return team_out(withdrawn)


def _dissolution_set_right(team: Row, correction: CorrectTeam) -> Row:
    if team["until_on"] is None:
        raise InvalidInput(errors=[{"at": "until_on", "code": "not-dissolved", "message": "the team is not dissolved"}])
    if "until_on" in correction.model_fields_set and correction.until_on is None:
        kept = ("until_on", "dissolution_number", "dissolution_on", "dissolution_signer", "dissolution_reason")
        return dict.fromkeys(kept)
    values: Row = {}
    if correction.until_on is not None:
        require_not_future(correction.until_on)
        values["until_on"] = correction.until_on
    if correction.dissolution is not None:
        values |= correction.dissolution.columns("dissolution")
    return values


async def _move_terms(work: UnitOfWork, caller: Identity, team: Row, corrected: Row, reason: str) -> None:
    """The terms of a team whose unit or last day is corrected follow it, with the certificates given in them."""
    for term in await _terms_of(work, team["id"]):
        values: Row = {"unit": unit_on(corrected["unit"], term["from_on"])}
        if term["ended_for"] == "team_dissolved":
            values["until_on"] = corrected["until_on"]
            if corrected["until_on"] is None:
                values |= dict.fromkeys(("ended_for", "end_decision_number", "end_decision_on", "end_decision_signer"))
        first, last = term["from_on"], (term | values)["until_on"] or date.max
        if not corrected["from_on"] <= first <= last <= (corrected["until_on"] or date.max):
            raise TermsOutsideTeam(term_id=term["id"])
        if all(term[name] == value for name, value in values.items()):
            continue
        moved = correct_term(work, caller, term, reason, **values)
        if moved["until_on"] != term["until_on"]:
            member = await work.look_up(Member, term["member_id"])
            assert member is not None
            work.change(Member, member, released_on=moved["until_on"])
        await realign_certificates(work, caller, moved["member_id"], [moved], reason)


async def _terms_of(work: UnitOfWork, team_id: UUID) -> list[Row]:
    rows = await work.database.fetch(
        "SELECT * FROM member_terms WHERE team_id = $1 AND withdrawn_at IS NULL ORDER BY id", team_id
    )
    return [dict(row) for row in rows]


async def _load(work: UnitOfWork, caller: Identity, team_id: UUID) -> Row:
    """A team that may be changed by who keeps the registry of its unit."""
    caller.require_role("keep_registry")
    team = await work.load(Team, team_id)
    caller.require("keep_registry", team["unit"])
    require_not_withdrawn(team)
    return team


def _require_commune(id: str) -> None:
    unit = units.get(id)
    if unit is None or unit.level != "commune":
        raise InvalidInput(errors=[{"at": "unit", "code": "level", "message": "a team belongs to a commune"}])


def _json(hamlets: list[str]) -> str:
    return msgspec.json.encode(hamlets).decode()


def require_standing(team: Row) -> None:
    """Raise TeamDissolved or RecordWithdrawn unless the team still exists."""
    require_not_withdrawn(team)
    if team["until_on"] is not None:
        raise TeamDissolved(team_id=team["id"], until_on=team["until_on"])


def fact(team: Row) -> events.Team:
    """What of a team may be counted."""
    return events.Team(unit=team["unit"], from_on=team["from_on"], until_on=team.get("until_on"))
