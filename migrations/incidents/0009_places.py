"""Boundaries of communes and hamlets, as the province loads them."""

from migrations.scripts import run_script

revision = "incidents_0009"
down_revision = "incidents_0008"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
