"""Constraints have names of their own, and no column a default that only filled the rows of its day."""

from migrations.parts.imports import WITHOUT_DEFAULTS
from migrations.scripts import run_script

revision = "incidents_0023"
down_revision = "incidents_0022"

SCRIPT = """
ALTER TABLE cases RENAME CONSTRAINT cases_check TO cases_transferred;
ALTER TABLE cases RENAME CONSTRAINT cases_check1 TO cases_resolved;
ALTER TABLE cases RENAME CONSTRAINT cases_check2 TO cases_transferred_to;
ALTER TABLE cases RENAME CONSTRAINT cases_check3 TO cases_handled;
ALTER TABLE activities RENAME CONSTRAINT activities_check TO activities_entered;
ALTER TABLE activities RENAME CONSTRAINT activities_check1 TO activities_confirmed;
ALTER TABLE attachments RENAME CONSTRAINT attachments_check TO attachments_removed;

ALTER TABLE cases ALTER details DROP DEFAULT;
ALTER TABLE case_links ALTER by_force DROP DEFAULT;
ALTER TABLE known_teams ALTER withdrawn DROP DEFAULT;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT + WITHOUT_DEFAULTS)
