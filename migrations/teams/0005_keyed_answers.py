"""Which input an Idempotency-Key was first used with is known by a keyed hash alone; those made without one are emptied."""

from migrations.parts.outbox import EMPTY_FINGERPRINTS
from migrations.scripts import run_script

revision = "teams_0005"
down_revision = "teams_0003"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(EMPTY_FINGERPRINTS)
