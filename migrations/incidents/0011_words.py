"""The words of tips, found in half the time: replace() reads a text far faster than translate() does."""

from migrations.parts.search import words_of
from migrations.scripts import run_script

revision = "incidents_0011"
down_revision = "incidents_0010"

TABLES = f"""
DROP INDEX tips_by_words;
CREATE INDEX tips_by_words ON tips USING gin ((
    {words_of("content")}
    || array_to_tsvector(ARRAY[
        '@' || unit, '@' || handled_by, '@' || coalesce(forwarded_to, unit), '=' || state,
        '#' || ((received_on - '1900-01-01'::date) / 32)::text, '~' || ((received_on - '1900-01-01'::date) / 256)::text])
)) WITH (gin_pending_list_limit = 1048576);
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
