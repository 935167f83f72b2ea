"""A team that should never have been entered is known as such."""

from migrations.scripts import run_script

revision = "incidents_0013"
down_revision = "incidents_0012"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script("ALTER TABLE known_teams ADD withdrawn boolean NOT NULL DEFAULT false")
