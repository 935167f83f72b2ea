"""Which records have files is known where they are served (services/incidents/attachments), not in a CHECK."""

from migrations.scripts import run_script

revision = "incidents_0024"
down_revision = "incidents_0023"

SCRIPT = """
ALTER TABLE attachments DROP CONSTRAINT attachments_of_check;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT)
