"""The months of the outbox are made without waiting for whoever reads it."""

from migrations.parts.outbox import PARTITIONS
from migrations.scripts import run_script

revision = "incidents_0012"
down_revision = "incidents_0011"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(PARTITIONS)
