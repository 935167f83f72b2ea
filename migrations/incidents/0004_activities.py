"""What the further kinds of activity need."""

from migrations.scripts import run_script

revision = "incidents_0004"
down_revision = "incidents_0003"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
