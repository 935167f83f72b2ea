"""Migrations are written in SQL: partitions, triggers and generated columns have no better notation."""

from alembic import op
from sqlalchemy.util import await_only


def run_script(script: str) -> None:
    """Run a script of several statements in the migration's transaction."""
    op.execute("SELECT 1")  # Begins the transaction that SQLAlchemy would begin at its own first statement.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    await_only(connection.execute(script))
