"""Imports in bulk, what each rejected, and the references of other systems on activities and cases."""

from migrations.parts.imports import IMPORTS, references
from migrations.scripts import run_script

revision = "incidents_0007"
down_revision = "incidents_0006"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(IMPORTS + references("activities", "cases"))
