"""Links of cases to tips, patrols and other activities; what was decided, measured, seized."""

from migrations.scripts import run_script

revision = "incidents_0003"
down_revision = "incidents_0002"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
