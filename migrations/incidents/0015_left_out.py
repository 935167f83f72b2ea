"""What of an imported row was left out, and what became of each sheet of a workbook."""

from migrations.parts.imports import LEFT_OUT
from migrations.scripts import run_script

revision = "incidents_0015"
down_revision = "incidents_0014"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(LEFT_OUT)
