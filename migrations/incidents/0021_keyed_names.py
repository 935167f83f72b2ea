"""What was sent is known again by keyed hashes alone; those made without a key are marked or emptied, for here is no key.

The jobs of incidents, which have the secret, name the marked ones anew at their start (shared/files/sweep.py, shared/importing/job.py).
"""

from migrations.parts.imports import KEYED
from migrations.scripts import run_script

revision = "incidents_0021"
down_revision = "incidents_0020"

SCRIPT = """
ALTER TABLE attachments RENAME sha256 TO content;
ALTER TABLE attachment_contents RENAME sha256 TO content;
UPDATE attachments SET content = 'sha256:' || content;
UPDATE attachment_contents SET content = 'sha256:' || content;
-- The name of a file may be a person's.
UPDATE attachments SET name = '' WHERE removed_at IS NOT NULL;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT + KEYED)
