"""Tips, cases, activities and their steps, the outbox, the teams that incidents has heard of."""

from migrations.parts.outbox import FOLLOWED, OUTBOX
from migrations.scripts import run_script

revision = "incidents_0001"
down_revision = None

TABLES = """
CREATE TABLE known_teams (id uuid PRIMARY KEY, unit text NOT NULL);

CREATE TABLE tips (
    id uuid PRIMARY KEY,
    unit text NOT NULL,
    content text NOT NULL,
    topic text,
    channel text NOT NULL,
    supplied_by text NOT NULL,
    team_id uuid,
    state text NOT NULL,
    classified_as text,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    received_on date NOT NULL,
    outcome text,
    closed_on date,
    receipt_hash bytea NOT NULL,
    recorded_by text NOT NULL,
    version int NOT NULL
);
CREATE INDEX tips_by_unit ON tips (unit, id);
CREATE UNIQUE INDEX tips_by_receipt ON tips (receipt_hash);

CREATE TABLE tip_steps (
    id uuid PRIMARY KEY,
    tip_id uuid NOT NULL REFERENCES tips,
    command text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX tip_steps_by_tip ON tip_steps (tip_id, id);

CREATE TABLE activities (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    unit text NOT NULL,
    team_id uuid,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    held_on date NOT NULL,
    turns int NOT NULL,
    details jsonb NOT NULL,
    state text NOT NULL,
    recorded_by text NOT NULL,
    version int NOT NULL
);
CREATE INDEX activities_by_unit ON activities (unit, id);
CREATE INDEX activities_by_team ON activities (team_id, id) WHERE team_id IS NOT NULL;

CREATE TABLE activity_steps (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activities,
    command text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX activity_steps_by_activity ON activity_steps (activity_id, id);

CREATE TABLE cases (
    id uuid PRIMARY KEY,
    unit text NOT NULL,
    kind text NOT NULL,
    found_on date NOT NULL,
    tip_id uuid REFERENCES tips,
    patrol_id uuid REFERENCES activities,
    state text NOT NULL,
    resolved_on date,
    recorded_by text NOT NULL,
    version int NOT NULL,
    CHECK (tip_id IS NULL OR patrol_id IS NULL),
    CHECK ((state = 'resolved') = (resolved_on IS NOT NULL))
);
CREATE INDEX cases_by_unit ON cases (unit, id);

CREATE TABLE case_steps (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    command text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX case_steps_by_case ON case_steps (case_id, id);
"""


def upgrade() -> None:
    """Make the first tables."""
    for script in (OUTBOX, FOLLOWED, TABLES):
        run_script(script)
