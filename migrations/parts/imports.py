"""The tables of imports (shared/importing), for the database of any service: as they began, and what was altered since."""

IMPORTS = """
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
"""

# What of a row was left out, and what became of each sheet of a workbook.
LEFT_OUT = """
ALTER TABLE imports ADD left_out int NOT NULL DEFAULT 0, ADD sheets jsonb;
"""

# What was sent is known again by keyed hashes alone. An empty one is any content, so that a repeated upload is still
# the first one; the job names marked keys anew.
KEYED = """
ALTER TABLE imports DROP sha256, ADD content bytea NOT NULL DEFAULT '';
UPDATE imports SET key = 'old:'::bytea || key WHERE key IS NOT NULL;
"""

# A default only filled the rows of its day.
WITHOUT_DEFAULTS = """
ALTER TABLE imports ALTER content DROP DEFAULT, ALTER left_out DROP DEFAULT;
"""


def references(*tables: str) -> str:
    """Records keep the reference of the system that sent them, which is unique there."""
    return "".join(
        f"""
ALTER TABLE {table} ADD source_system text, ADD reference text;
CREATE UNIQUE INDEX {table}_by_reference ON {table} (source_system, reference) WHERE reference IS NOT NULL;
"""
        for table in tables
    )
