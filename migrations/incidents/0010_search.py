"""What searching and duplicates stand on."""

from migrations.scripts import run_script

revision = "incidents_0010"
down_revision = "incidents_0009"

TABLES = """
SELECT 1;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
