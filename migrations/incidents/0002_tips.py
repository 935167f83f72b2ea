"""What tips gained with intake: places, identities, questions, assignment, forwarding, duplicates."""

from migrations.scripts import run_script

revision = "incidents_0002"
down_revision = "incidents_0001"

TABLES = """
ALTER TABLE tips
    ADD hamlet text,
    ADD longitude double precision,
    ADD latitude double precision,
    ADD named boolean NOT NULL DEFAULT false,
    -- A tip that another system relays keeps that system's reference, which is unique there.
    ADD source_system text,
    ADD reference text,
    -- Whose police handle it; another commune's once that has taken it over.
    ADD handled_by text,
    ADD officer text,
    ADD forwarded_to text,
    ADD merged_into uuid REFERENCES tips;
UPDATE tips SET handled_by = unit;
ALTER TABLE tips ALTER handled_by SET NOT NULL, ALTER named DROP DEFAULT;
CREATE UNIQUE INDEX tips_by_reference ON tips (source_system, reference) WHERE reference IS NOT NULL;
CREATE INDEX tips_by_handler ON tips (handled_by, id) WHERE handled_by <> unit;
CREATE INDEX tips_merged_into ON tips (merged_into) WHERE merged_into IS NOT NULL;

-- Who reported it, encrypted with a key that is not here (Law 30/2023/QH15: secret).
CREATE TABLE informants (
    tip_id uuid PRIMARY KEY REFERENCES tips,
    sealed bytea NOT NULL
);
-- Each look at an informant's identity, with its reason.
CREATE TABLE informant_looks (
    id uuid PRIMARY KEY,
    tip_id uuid NOT NULL REFERENCES tips,
    looked_by text NOT NULL,
    looked_at timestamptz NOT NULL,
    reason text NOT NULL
);
CREATE INDEX informant_looks_by_tip ON informant_looks (tip_id, id);

-- What the police and the sender write to each other.
CREATE TABLE tip_messages (
    id uuid PRIMARY KEY,
    tip_id uuid NOT NULL REFERENCES tips,
    kind text NOT NULL,
    answers uuid REFERENCES tip_messages,
    content text NOT NULL,
    written_by text NOT NULL,
    written_at timestamptz NOT NULL
);
CREATE INDEX tip_messages_by_tip ON tip_messages (tip_id, id);
CREATE UNIQUE INDEX tip_messages_one_answer ON tip_messages (answers) WHERE answers IS NOT NULL;

-- What a step was given beside its reason: a class, an officer, a decision.
ALTER TABLE tip_steps ADD details jsonb;
ALTER TABLE case_steps ADD details jsonb;
ALTER TABLE activity_steps ADD details jsonb;
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
