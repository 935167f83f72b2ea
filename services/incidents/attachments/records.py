"""Which records of incidents have files: of each kind who may see its files, add one, and take one away."""

from functools import partial
from typing import TypeVar
from uuid import UUID

from services.incidents.activities.models import Activity
from services.incidents.activities.reading import read_activity
from services.incidents.attachments.workflow import ACTIVITIES, ACTIVITIES_BY_TEAM, CASES, TIPS
from services.incidents.cases.models import Case
from services.incidents.cases.reading import read_case
from services.incidents.tips.models import Tip
from services.incidents.tips.reading import read_tip, with_duplicates
from services.incidents.tips.workflow import also_concerned
from shared.access import Identity
from shared.database import Database
from shared.errors import NotFound
from shared.events import Attachment
from shared.files.records import FileChange, Files, FilesOf, Holder
from shared.outbox import row_of
from shared.outbox.rows import table_of
from shared.outbox.statements import record_of
from shared.workflow import Step, require_may_step

RecordT = TypeVar("RecordT")


def holder_of(tip: Tip) -> Holder:
    """The tip as what holds files; who handles it, or is asked to, hears of them too."""
    return Holder(tip.id, tip.unit, also_concerned(tip))


async def _tip(database: Database, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = TIPS[change]
    tip = await _found(database, caller, step, Tip, id)
    # A tip's files are whose police handle it.
    require_may_step(caller, tip, step.event, step, reason, tip.handled_by)
    return holder_of(tip)


async def _case(database: Database, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = CASES[change]
    case = await _found(database, caller, step, Case, id)
    require_may_step(caller, case, step.event, step, reason)
    return Holder(case.id, case.unit)


async def _activity(database: Database, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = (ACTIVITIES_BY_TEAM if caller.role == "team_leader" else ACTIVITIES)[change]
    activity = await _found(database, caller, step, Activity, id)
    require_may_step(caller, activity, step.event, step, reason)
    return Holder(activity.id, activity.unit)


async def _found(database: Database, caller: Identity, step: Step[str], model: type[RecordT], id: UUID) -> RecordT:
    caller.require_role(step.may)
    record = await database.fetchrow(record_of(table_of(model)), id)
    if record is None:
        raise NotFound(id=id)
    return row_of(model, record)


FILES = Files(
    {
        "tips": FilesOf("tip_id", partial(Attachment, of="tips"), read_tip, _tip, with_duplicates),
        "cases": FilesOf("case_id", partial(Attachment, of="cases"), read_case, _case),
        "activities": FilesOf("activity_id", partial(Attachment, of="activities"), read_activity, _activity),
    },
    folder="attachments",
)
