"""Deadlines of tips and their extensions."""

from migrations.scripts import run_script

revision = "incidents_0006"
down_revision = "incidents_0005"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
