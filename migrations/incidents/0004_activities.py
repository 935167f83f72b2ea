"""How long what a team entered waits for the police, and when they confirmed it.

What the further kinds tell stands in `details`, which holds whatever a kind has. What was entered before has
no such times and stays outside the share confirmed in time.
"""

from migrations.scripts import run_script

revision = "incidents_0004"
down_revision = "incidents_0003"

TABLES = """
ALTER TABLE activities
    ADD COLUMN entered_at timestamptz,
    ADD COLUMN confirm_by date,
    ADD COLUMN confirmed_at timestamptz,
    ADD CHECK ((entered_at IS NULL) = (confirm_by IS NULL)),
    ADD CHECK (confirmed_at IS NULL OR entered_at IS NOT NULL AND state = 'confirmed');
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
