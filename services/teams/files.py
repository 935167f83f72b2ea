"""Which records of the registry have files: teams, for scans of the decisions on them."""

from functools import partial
from uuid import UUID

from services.teams.corrections import require_not_withdrawn
from services.teams.tables.teams import SEEN, Team
from services.teams.teams.reading import read_team
from shared.access import Identity
from shared.events import Attachment
from shared.files.records import FileChange, Files, FilesOf, Holder
from shared.outbox import UnitOfWork
from shared.workflow import look_up_seen


async def _team(work: UnitOfWork, caller: Identity, id: UUID, change: FileChange, reason: str | None) -> Holder:
    """Who keeps the registry of its unit; of a team that was withdrawn files are only taken away."""
    team = await look_up_seen(work, caller, Team, id, SEEN, "keep_registry")
    if change == "add":
        require_not_withdrawn(team)
    return Holder(team.id, team.unit)


FILES = Files(
    {"teams": FilesOf("team_id", partial(Attachment, of="teams"), read_team, _team)}, folder="teams/attachments"
)
