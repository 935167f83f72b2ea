"""Nothing is told while the service and its database do not agree what time it is."""

from migrations.parts.outbox import CLOCKS
from migrations.scripts import run_script

revision = "incidents_0022"
down_revision = "incidents_0021"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(CLOCKS)
