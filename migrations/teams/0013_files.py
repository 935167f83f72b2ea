"""Files of teams: scans of the decisions on them."""

from migrations.parts.files import FILES
from migrations.scripts import run_script

revision = "teams_0013"
down_revision = "teams_0012"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(FILES)
