"""Nothing is told while the service and its database do not agree what time it is."""

from migrations.parts.outbox import CLOCKS
from migrations.scripts import run_script

revision = "teams_0007"
down_revision = "teams_0006"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(CLOCKS)
