"""Webhooks, their places in the log, and what could not be delivered to them."""

from migrations.parts.webhooks import WEBHOOKS
from migrations.scripts import run_script

revision = "incidents_0008"
down_revision = "incidents_0007"


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(WEBHOOKS)
