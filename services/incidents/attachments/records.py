"""Which records of incidents have files: of each kind who may see its files, add one, and take one away."""

from functools import partial
from uuid import UUID

from services.incidents.activities import workflow as activity_workflow
from services.incidents.activities.models import Activity
from services.incidents.activities.reading import read_activity
from services.incidents.attachments.workflow import ACTIVITIES, ACTIVITIES_BY_TEAM, CASES, TIPS
from services.incidents.cases import workflow as case_workflow
from services.incidents.cases.models import Case
from services.incidents.cases.reading import read_case
from services.incidents.tips import workflow as tip_workflow
from services.incidents.tips.models import Tip
from services.incidents.tips.reading import read_tip, with_duplicates
from services.incidents.tips.workflow import also_concerned
from shared.access import Identity
from shared.events import Attachment
from shared.files.records import FileChange, Files, FilesOf, Holder
from shared.outbox import UnitOfWork
from shared.workflow import look_up_seen, require_may_step


def holder_of(tip: Tip) -> Holder:
    """The tip as what holds files; who handles it, or is asked to, hears of them too."""
    return Holder(tip.id, tip.unit, also_concerned(tip))


async def _tip(work: UnitOfWork, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = TIPS[change]
    tip = await look_up_seen(work, caller, Tip, id, tip_workflow.SEEN, step.may)
    # A tip's files are whose police handle it.
    require_may_step(caller, tip, step.event, step, reason, tip.handled_by)
    return holder_of(tip)


async def _case(work: UnitOfWork, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = CASES[change]
    case = await look_up_seen(work, caller, Case, id, case_workflow.SEEN, step.may)
    require_may_step(caller, case, step.event, step, reason)
    return Holder(case.id, case.unit)


async def _activity(work: UnitOfWork, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    step = (ACTIVITIES_BY_TEAM if caller.role == "team_leader" else ACTIVITIES)[change]
    activity = await look_up_seen(work, caller, Activity, id, activity_workflow.SEEN, step.may)
    require_may_step(caller, activity, step.event, step, reason)
    return Holder(activity.id, activity.unit)


FILES = Files(
    {
        "tips": FilesOf("tip_id", partial(Attachment, of="tips"), read_tip, _tip, with_duplicates),
        "cases": FilesOf("case_id", partial(Attachment, of="cases"), read_case, _case),
        "activities": FilesOf("activity_id", partial(Attachment, of="activities"), read_activity, _activity),
    },
    folder="attachments",
)
