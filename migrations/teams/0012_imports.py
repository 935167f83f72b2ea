"""Imports in bulk, what each rejected, and the references of other systems on what they make."""

from migrations.parts.imports import IMPORTS, KEYED, LEFT_OUT, WITHOUT_DEFAULTS, references
from migrations.scripts import run_script

revision = "teams_0012"
down_revision = "teams_0011"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(IMPORTS + LEFT_OUT + KEYED + WITHOUT_DEFAULTS)
    run_script(references("teams", "members", "training_classes", "certificates"))
