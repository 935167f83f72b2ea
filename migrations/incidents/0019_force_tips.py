"""A case keeps which of its tips the force supplied; of links made before nobody counted that."""

from migrations.scripts import run_script

revision = "incidents_0019"
down_revision = "incidents_0018"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script("ALTER TABLE case_links ADD by_force boolean NOT NULL DEFAULT false")
