"""Links of cases to tips, patrols and other activities; what was decided, who was handled, what was seized."""

from migrations.scripts import run_script

revision = "incidents_0003"
down_revision = "incidents_0002"

TABLES = """
-- What a case was found through. A link that is taken back stays, with who took it back and when.
CREATE TABLE case_links (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    kind text NOT NULL CHECK (kind IN ('tip', 'patrol', 'activity')),
    linked_id uuid NOT NULL,
    linked_by text NOT NULL,
    linked_at timestamptz NOT NULL,
    removed_by text,
    removed_at timestamptz,
    version int NOT NULL
);
CREATE UNIQUE INDEX case_links_once ON case_links (case_id, linked_id) WHERE removed_at IS NULL;
CREATE INDEX case_links_by_linked ON case_links (linked_id, case_id) WHERE removed_at IS NULL;

INSERT INTO case_links (id, case_id, kind, linked_id, linked_by, linked_at, version)
SELECT gen_random_uuid(), id, CASE WHEN tip_id IS NULL THEN 'patrol' ELSE 'tip' END, coalesce(tip_id, patrol_id), recorded_by,
    -- A UUIDv7 begins with its milliseconds; PostgreSQL 17 can't take them out by itself.
    to_timestamp(('x0000' || replace(left(id::text, 13), '-', ''))::bit(64)::bigint / 1000.0), 1
FROM cases WHERE coalesce(tip_id, patrol_id) IS NOT NULL;

ALTER TABLE cases
    DROP tip_id,
    DROP patrol_id,
    ADD hamlet text,
    ADD place text,
    -- Persons handled by measure, and what was seized.
    ADD details jsonb NOT NULL DEFAULT '{"handled": [], "seized": []}',
    ADD handled_on date,
    ADD transferred_on date,
    ADD transferred_to text,
    ADD decision_number text,
    ADD decision_on date,
    ADD decision_signer text,
    ADD CHECK ((state = 'transferred') = (transferred_on IS NOT NULL)),
    ADD CHECK ((transferred_on IS NULL) = (transferred_to IS NULL)),
    ADD CHECK ((details->'handled' = '[]') = (handled_on IS NULL));
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
