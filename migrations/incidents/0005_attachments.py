"""Attachments of tips, cases and activities."""

from migrations.scripts import run_script

revision = "incidents_0005"
down_revision = "incidents_0004"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
