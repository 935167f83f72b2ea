"""The outbox of teams."""

from migrations.outbox import OUTBOX
from migrations.scripts import run_script

revision = "teams_0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    run_script(OUTBOX)
