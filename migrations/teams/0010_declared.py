"""Constraints have names of their own."""

from migrations.scripts import run_script

revision = "teams_0010"
down_revision = "teams_0009"

SCRIPT = """
ALTER TABLE teams RENAME CONSTRAINT teams_check TO teams_days_in_order;
ALTER TABLE member_terms RENAME CONSTRAINT member_terms_check TO member_terms_days_in_order;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT)
