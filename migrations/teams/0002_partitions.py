"""The months of the outbox are made without waiting for whoever reads it."""

from migrations.parts.outbox import PARTITIONS
from migrations.scripts import run_script

revision = "teams_0002"
down_revision = "teams_0001"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(PARTITIONS)
