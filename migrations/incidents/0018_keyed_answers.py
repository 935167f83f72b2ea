"""Which input an Idempotency-Key was first used with is known by a keyed hash alone; those made without one are emptied."""

from migrations.parts.outbox import EMPTY_FINGERPRINTS
from migrations.scripts import run_script

revision = "incidents_0018"
down_revision = "incidents_0015"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(EMPTY_FINGERPRINTS)
