"""Deadlines of tips and their extensions."""

from migrations.scripts import run_script

revision = "incidents_0006"
down_revision = "incidents_0005"

TABLES = """
CREATE TABLE deadlines (
    id uuid PRIMARY KEY,
    tip_id uuid NOT NULL REFERENCES tips,
    name text NOT NULL,
    round smallint NOT NULL,
    unit text NOT NULL,
    handled_by text NOT NULL,
    classified_as text,
    difficult boolean NOT NULL,
    starts_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    complex boolean NOT NULL,
    extended_to timestamptz,
    met_at timestamptz,
    met_by text,
    state text NOT NULL,
    to_do boolean NOT NULL,
    version int NOT NULL
);
CREATE UNIQUE INDEX deadlines_of_tip ON deadlines (tip_id, name, round);
-- The work list in its order; handler and state stand in the index, so that rows of others are passed over there.
CREATE INDEX deadlines_to_do ON deadlines (due_at, id, handled_by, state) WHERE to_do;

CREATE TABLE deadline_steps (
    id uuid PRIMARY KEY,
    deadline_id uuid NOT NULL REFERENCES deadlines,
    command text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text,
    details jsonb,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX deadline_steps_of_deadline ON deadline_steps (deadline_id, id);
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
