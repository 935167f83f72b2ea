"""Imports in bulk, what each rejected, and the references of other systems on activities and cases."""

from migrations.scripts import run_script

revision = "incidents_0007"
down_revision = "incidents_0006"

TABLES = """
CREATE TABLE imports (
    id uuid PRIMARY KEY,
    "of" text NOT NULL,
    format text NOT NULL,
    strategy text NOT NULL,
    dry_run boolean NOT NULL,
    -- All rows or none; empty until the file's size has decided it.
    atomic boolean,
    filename text,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    -- As whom each row is decided.
    role text NOT NULL,
    subject text NOT NULL,
    unit text NOT NULL,
    team text NOT NULL,
    state text NOT NULL,
    rows_read int NOT NULL,
    created int NOT NULL,
    updated int NOT NULL,
    unchanged int NOT NULL,
    rejected int NOT NULL,
    -- Why the file as a whole failed.
    problem jsonb,
    position text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    -- Hash of the caller and the Idempotency-Key.
    key bytea UNIQUE,
    version int NOT NULL
);
CREATE INDEX imports_open ON imports (id) WHERE state IN ('queued', 'running');
CREATE INDEX imports_by_subject ON imports (subject, id);

CREATE TABLE import_rejections (
    import_id uuid NOT NULL REFERENCES imports,
    line int NOT NULL,
    why jsonb NOT NULL,
    PRIMARY KEY (import_id, line)
);

-- What another system sends keeps that system's reference, which is unique there.
ALTER TABLE activities ADD source_system text, ADD reference text;
CREATE UNIQUE INDEX activities_by_reference ON activities (source_system, reference) WHERE reference IS NOT NULL;
ALTER TABLE cases ADD source_system text, ADD reference text;
CREATE UNIQUE INDEX cases_by_reference ON cases (source_system, reference) WHERE reference IS NOT NULL;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
