"""The database knows the secret with which it is written by a check value, which the first process gives it."""

from migrations.parts.outbox import SECRET_CHECK
from migrations.scripts import run_script

revision = "teams_0006"
down_revision = "teams_0005"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SECRET_CHECK)
