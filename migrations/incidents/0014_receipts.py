"""Who guesses receipts is known to all processes, by keyed hashes of addresses; a crash may forget it."""

from migrations.scripts import run_script

revision = "incidents_0014"
down_revision = "incidents_0013"

SCRIPT = """
CREATE UNLOGGED TABLE receipt_tries (address bytea PRIMARY KEY, tries int NOT NULL, until timestamptz NOT NULL);
CREATE UNLOGGED TABLE receipts_used (pair bytea PRIMARY KEY, used_at timestamptz NOT NULL DEFAULT now());
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT)
