"""What searching and duplicates stand on."""

from migrations.parts.search import SEARCH
from migrations.scripts import run_script

revision = "incidents_0010"
down_revision = "incidents_0009"

TABLES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- What a tip says, who reaches it and when it was received (services/incidents/tips/reading.py has the same expression).
-- Intake only appends to the index's list of what is pending; a job sorts that in (services/incidents/jobs.py).
CREATE INDEX tips_by_words ON tips USING gin ((
    strip(to_tsvector('vietnamese', translate(content, '.,:;/-_@&<>“”‘’–—…•\u00a0', '                    ')))
    || array_to_tsvector(ARRAY[
        '@' || unit, '@' || handled_by, '@' || coalesce(forwarded_to, unit), '=' || state,
        '#' || ((received_on - '1900-01-01'::date) / 32)::text, '~' || ((received_on - '1900-01-01'::date) / 256)::text])
)) WITH (gin_pending_list_limit = 1048576);

-- Lists are in the order of time. A commune's list is read from this index alone, whatever it is narrowed to.
CREATE INDEX tips_by_unit_and_time ON tips (unit, received_at, id)
    INCLUDE (state, classified_as, topic, channel, officer, team_id);
DROP INDEX tips_by_unit;
DROP INDEX tips_by_handler;
-- Who handles a tip that is another commune's; a column of its own, so that the planner knows how few those are.
ALTER TABLE tips ADD taken_over_by text GENERATED ALWAYS AS (nullif(handled_by, unit)) STORED;
CREATE INDEX tips_by_handler ON tips (taken_over_by, received_at, id) WHERE taken_over_by IS NOT NULL;
CREATE INDEX tips_by_receiver ON tips (forwarded_to, received_at, id) WHERE forwarded_to IS NOT NULL;
-- A province's lists: one index for each filter, since what is seldom would else be looked for through all years.
CREATE INDEX tips_by_time ON tips (received_at, id);
CREATE INDEX tips_by_unit_and_state ON tips (unit, state, received_at, id);
CREATE INDEX tips_by_state ON tips (state, received_at, id);
CREATE INDEX tips_by_class ON tips (classified_as, received_at, id) WHERE classified_as IS NOT NULL;
CREATE INDEX tips_by_topic ON tips (topic, received_at, id) WHERE topic IS NOT NULL;
CREATE INDEX tips_by_channel ON tips (channel, received_at, id);
CREATE INDEX tips_by_officer ON tips (officer, unit, received_at, id) WHERE officer IS NOT NULL;
CREATE INDEX tips_by_team ON tips (team_id, unit, received_at, id) WHERE team_id IS NOT NULL;
-- Indexes alone answer only of pages that a vacuum has seen.
ALTER TABLE tips SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX cases_by_unit_and_day ON cases (unit, found_on, id) INCLUDE (kind, state);
CREATE INDEX cases_by_day ON cases (found_on, id);
CREATE INDEX cases_by_kind ON cases (kind, found_on, id);
DROP INDEX cases_by_unit;

CREATE INDEX activities_by_unit_and_time ON activities (unit, started_at, id) INCLUDE (kind, state, team_id);
CREATE INDEX activities_by_time ON activities (started_at, id);
CREATE INDEX activities_by_kind ON activities (kind, started_at, id);
CREATE INDEX activities_waiting ON activities (state, started_at, id) WHERE state <> 'confirmed';
DROP INDEX activities_by_unit;
DROP INDEX activities_by_team;
CREATE INDEX activities_by_team ON activities (team_id, started_at, id) WHERE team_id IS NOT NULL;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    for script in (SEARCH, TABLES):
        run_script(script)
