"""The words of tips, found in half the time: replace() reads a text far faster than translate() does."""

from migrations.scripts import run_script

revision = "incidents_0011"
down_revision = "incidents_0010"

# Signs become spaces; the last is the space that does not break. services/incidents/tips/models.py has the same expression.
content = "content"
for sign in ".,:;/-_@&<>“”‘’–—…•\u00a0":
    content = f"replace({content}, '{sign}', ' ')"

TABLES = f"""
DROP INDEX tips_by_words;
CREATE INDEX tips_by_words ON tips USING gin ((
    strip(to_tsvector('vietnamese', {content}))
    || array_to_tsvector(ARRAY[
        '@' || unit, '@' || handled_by, '@' || coalesce(forwarded_to, unit), '=' || state,
        '#' || ((received_on - '1900-01-01'::date) / 32)::text, '~' || ((received_on - '1900-01-01'::date) / 256)::text])
)) WITH (gin_pending_list_limit = 1048576);
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
