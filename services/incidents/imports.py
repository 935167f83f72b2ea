"""What incidents imports: by which commands of single requests a row of each kind becomes a record, or corrects one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.incidents import known_teams
from services.incidents.activities import commands as activities
from services.incidents.activities import kinds as activity_kinds
from services.incidents.activities.kinds import AnyActivity
from services.incidents.activities.models import Activity
from services.incidents.activities.schemas import CorrectActivity
from services.incidents.cases.commands import correct_case, link_case, open_case
from services.incidents.cases.models import Case
from services.incidents.cases.reading import links_of
from services.incidents.cases.schemas import CorrectCase, LinkCase, OpenCase
from services.incidents.places.lookup import lies_elsewhere
from services.incidents.tips.commands import correct_tip, report_tip
from services.incidents.tips.models import Tip
from services.incidents.tips.schemas import CorrectTip, ReportTip
from shared import units
from shared.access import Identity
from shared.errors import InvalidInput
from shared.importing.kinds import Correct, Kind, kind
from shared.importing.known import Known
from shared.outbox import UnitOfWork
from shared.outbox.rows import values_of
from shared.settings import settings


class Teams:
    """Learns of all teams of a chunk at once; for those that nobody knows it waits once an import, for news of them."""

    def __init__(self) -> None:
        self._waited = False
        self._unknown: set[UUID] = set()

    async def learn(self, known: Known, caller: Identity, rows: Sequence[Any]) -> None:
        """Look the teams up, and keep which nobody knows."""
        named = {row.team_id for row in rows if getattr(row, "team_id", None)}
        patience_ends = monotonic() + (0 if self._waited else settings().team_wait_seconds)
        while named:
            for team in await known.fetch(
                "SELECT id, unit, withdrawn FROM known_teams WHERE id = ANY($1)", list(named)
            ):
                known.answers[(known_teams.UNIT_OF_TEAM, team["id"])] = team
                named.discard(team["id"])
            if named and monotonic() > patience_ends:
                self._waited = True
                break
            if named:
                await asyncio.sleep(0.05)
        self._unknown = named

    def check(self, row: Any) -> None:
        """Raise TeamNotYetKnown for a row of a team that nobody knows."""
        if getattr(row, "team_id", None) in self._unknown:
            raise known_teams.TeamNotYetKnown(team_id=row.team_id)


def _where_it_differs(correction: type[BaseModel], command: Callable[..., Awaitable[Any]]) -> Correct:
    """Correct the fields that a correction may change; one that the row leaves out stays."""

    async def correct(work: UnitOfWork, caller: Identity, known: Tip | Case, row: BaseModel, reason: str) -> bool:
        told = row.model_dump(include=set(correction.model_fields), exclude_unset=True, exclude_none=True)
        kept = {**getattr(known, "details", {}), **values_of(known)}
        other = {name: getattr(row, name) for name, value in told.items() if value != kept.get(name)}
        if "unit" in other and "hamlet" in told:
            # A hamlet tells the commune, also beside a unit above it; without it, another unit would forget it.
            if "hamlet" not in other and told["unit"] in units.ancestors(known.unit):
                del other["unit"]
            else:
                other["hamlet"] = told["hamlet"]
        if other:
            await command(work, caller, known.id, correction(reason=reason, **other))
        return bool(other)

    return correct


_correct_tip = _where_it_differs(CorrectTip, correct_tip)
_correct_case = _where_it_differs(CorrectCase, correct_case)


async def _correct_tip_or_refuse(work: UnitOfWork, caller: Identity, known: Tip, row: Any, reason: str) -> bool:
    """Correct a tip, unless the row says something else of what no correction changes: `not-correctable`.

    Who reported is sealed: whether it is another than the one who is kept, nobody looks.
    """
    kept_at = (known.longitude, known.latitude)
    told_at = (row.point.longitude, row.point.latitude) if row.point else kept_at
    if kept_at == (None, None) != told_at:
        # A tip that moves leaves a point that lies elsewhere behind, and its row still tells it.
        elsewhere = await lies_elsewhere(work.database, known.received_on, known.unit, *told_at)
        told_at = kept_at if elsewhere else told_at
    differs = {
        "informant": row.informant is not None and not known.named,
        "channel": row.channel not in (None, known.channel),
        "point": told_at != kept_at,
    }
    if any(differs.values()):
        why = {"code": "not-correctable", "message": "this differs from what is kept and cannot be corrected"}
        raise InvalidInput(errors=[{"at": name, **why} for name, does in differs.items() if does])
    return await _correct_tip(work, caller, known, row, reason)


async def _correct_case_and_link(work: UnitOfWork, caller: Identity, known: Case, row: Any, reason: str) -> bool:
    """Correct a case, and link it to what it is not linked to yet; a link that the row leaves out stays."""
    corrected = await _correct_case(work, caller, known, row, reason)
    told = row.all_links()
    linked = {link.id for link in await links_of(work.database, known.id)} if told else set()
    missing = [link.model_dump() for link in told if link.id not in linked]
    for link in missing:
        await link_case(work, caller, known.id, LinkCase(reason=reason, **link))
    return corrected or bool(missing)


async def _correct_activity(work: UnitOfWork, caller: Identity, known: Activity, row: Any, reason: str) -> bool:
    """An activity is corrected as a whole."""
    if activities.says_the_same(caller, known, row):
        return False
    await activities.correct_activity(work, caller, known.id, CorrectActivity(reason=reason, activity=row))
    return True


KINDS: dict[str, Kind] = {
    "tips": kind(Tip, ReportTip, report_tip, _correct_tip_or_refuse, Teams),
    "cases": kind(Case, OpenCase, open_case, _correct_case_and_link),
    "activities": kind(
        Activity, AnyActivity, activities.enter, _correct_activity, Teams, frozenset(activity_kinds.KINDS)
    ),
}
