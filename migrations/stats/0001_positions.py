"""Which sets of counters exist, how far each has counted, and what could not be counted."""

from migrations.scripts import run_script

revision = "stats_0001"
down_revision = None

TABLES = """
-- A set of counters: tables counters_day_N and counters_month_N with a column for each of its indicators.
-- They are made from INDICATORS by the consumer or a rebuild, never by a migration.
CREATE TABLE counter_sets (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    indicators jsonb NOT NULL,
    serving boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_set_serves ON counter_sets (serving) WHERE serving;

CREATE TABLE positions (
    set_id int NOT NULL REFERENCES counter_sets ON DELETE CASCADE,
    source text NOT NULL,
    generation int NOT NULL,
    seq bigint NOT NULL,
    event_id text,
    recorded_at timestamptz NOT NULL,
    "offset" bigint NOT NULL,
    watermark timestamptz,
    -- Events that could not be counted since the last one that could: many stop the consumer, also after a restart.
    failed_in_a_row int NOT NULL DEFAULT 0,
    PRIMARY KEY (set_id, source)
);

CREATE TABLE dead_letters (
    set_id int NOT NULL REFERENCES counter_sets ON DELETE CASCADE,
    source text NOT NULL,
    generation int NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    dataversion smallint NOT NULL,
    subject text NOT NULL,
    recorded_at timestamptz NOT NULL,
    data bytea NOT NULL,
    reason text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (set_id, source, generation, seq)
);
"""


def upgrade() -> None:
    """Make the first tables."""
    run_script(TABLES)
