"""What incidents imports: by which commands of single requests a row of each kind becomes a record, or corrects one."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from uuid import UUID

from services.incidents import known_teams
from services.incidents.activities import commands as activities
from services.incidents.activities import kinds as activity_kinds
from services.incidents.activities.kinds import AnyActivity, EnterActivity
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
from shared.importing.correcting import Values, require_correctable, where_it_differs
from shared.importing.kinds import Correct, Imports, Learner, kind
from shared.importing.known import Known
from shared.outbox import UnitOfWork
from shared.outbox.rows import values_of
from shared.settings import settings


class Teams(Learner[ReportTip | EnterActivity]):
    """Learns of all teams of a chunk at once; for those that nobody knows it waits once an import, for news of them."""

    def __init__(self) -> None:
        self._waited = False
        self._unknown: set[UUID] = set()

    async def learn(self, known: Known, caller: Identity, rows: Sequence[ReportTip | EnterActivity]) -> None:
        """Look the teams up, and keep which nobody knows."""
        named = {row.team_id for row in rows if row.team_id is not None}
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

    def check(self, row: ReportTip | EnterActivity) -> None:
        """Raise TeamNotYetKnown for a row of a team that nobody knows."""
        if row.team_id in self._unknown:
            raise known_teams.TeamNotYetKnown(team_id=row.team_id)


def _kept(record: Tip | Case) -> Mapping[str, object]:
    """What a record says: its columns, and what of it is kept as details."""
    return {**getattr(record, "details", {}), **values_of(record)}


def _settle_hamlet(record: Tip | Case, row: ReportTip | OpenCase, other: Values) -> Values:
    """A hamlet names the commune, also beside a unit above it; without it, another unit would forget it."""
    if "unit" not in other or row.hamlet is None:
        return other
    if "hamlet" not in other and row.unit in units.ancestors(record.unit):
        return {name: value for name, value in other.items() if name != "unit"}
    return {**other, "hamlet": row.hamlet}


_correct_tip: Correct[Tip, ReportTip] = where_it_differs(CorrectTip, correct_tip, _kept, _settle_hamlet)
_correct_case: Correct[Case, OpenCase] = where_it_differs(CorrectCase, correct_case, _kept, _settle_hamlet)


async def _correct_tip_or_refuse(work: UnitOfWork, caller: Identity, known: Tip, row: ReportTip, reason: str) -> bool:
    """Correct a tip, unless the row says something else of what no correction changes: `not-correctable`.

    Who reported is sealed: whether it is another than the one who is kept, nobody looks.
    """
    moves = False
    if row.point is not None:
        given_at = (row.point.longitude, row.point.latitude)
        moves = given_at != (known.longitude, known.latitude)
        if moves and known.longitude is None:
            # A tip that moves leaves a point that lies elsewhere behind, and its row still gives it.
            moves = not await lies_elsewhere(work.database, known.received_on, known.unit, *given_at)
    require_correctable(
        {
            "informant": row.informant is not None and not known.named,
            "channel": row.channel not in (None, known.channel),
            "point": moves,
        }
    )
    return await _correct_tip(work, caller, known, row, reason)


async def _correct_case_and_link(work: UnitOfWork, caller: Identity, known: Case, row: OpenCase, reason: str) -> bool:
    """Correct a case, and link it to what it is not linked to yet; a link that the row leaves out stays."""
    corrected = await _correct_case(work, caller, known, row, reason)
    given = row.all_links()
    linked = {link.id for link in await links_of(work.database, known.id)} if given else set()
    missing = [link.model_dump() for link in given if link.id not in linked]
    for link in missing:
        await link_case(work, caller, known.id, LinkCase(reason=reason, **link))
    return corrected or bool(missing)


async def _correct_activity(
    work: UnitOfWork, caller: Identity, known: Activity, row: EnterActivity, reason: str
) -> bool:
    """An activity is corrected as a whole."""
    if activities.says_the_same(caller, known, row):
        return False
    await activities.correct_activity(work, caller, known.id, CorrectActivity(reason=reason, activity=row))
    return True


IMPORTS = Imports(
    {
        "tips": kind("report_tip", Tip, ReportTip, report_tip, _correct_tip_or_refuse, Teams),
        "cases": kind("handle_case", Case, OpenCase, open_case, _correct_case_and_link),
        "activities": kind(
            "enter_activity",
            Activity,
            AnyActivity,
            activities.enter,
            _correct_activity,
            Teams,
            tags=frozenset(activity_kinds.KINDS),
        ),
    },
    folder="imports",
)
