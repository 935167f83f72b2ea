"""Attachments of tips, cases and activities."""

from migrations.scripts import run_script

revision = "incidents_0005"
down_revision = "incidents_0004"

TABLES = """
-- A file of a tip, a case or an activity. Several may have the same content; the store holds it once.
CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    of text NOT NULL CHECK (of IN ('tips', 'cases', 'activities')),
    record_id uuid NOT NULL,
    from_sender boolean NOT NULL,
    place int NOT NULL,
    sha256 text NOT NULL,
    media_type text NOT NULL,
    bytes bigint NOT NULL,
    name text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    removed_by text,
    removed_at timestamptz,
    removal_reason text,
    version int NOT NULL,
    CHECK ((removed_at IS NULL) = (removed_by IS NULL))
);
CREATE INDEX attachments_by_record ON attachments (record_id, id);
-- The same content is attached to a record once, and no more files than there are places, whoever sends at the same time.
CREATE UNIQUE INDEX attachments_once ON attachments (record_id, from_sender, sha256) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX attachments_places ON attachments (record_id, from_sender, place) WHERE removed_at IS NULL;
CREATE INDEX attachments_by_content ON attachments (sha256);

-- Each content that was put into the store or is about to be. An upload touches its row first; the sweep deletes row and
-- object together, holding the row (shared/files/sweep.py).
CREATE TABLE attachment_contents (sha256 text PRIMARY KEY, touched_at timestamptz NOT NULL);
CREATE INDEX attachment_contents_by_age ON attachment_contents (touched_at);

-- Each download of what a tip's sender has sent.
CREATE TABLE attachment_looks (
    id uuid PRIMARY KEY,
    attachment_id uuid NOT NULL REFERENCES attachments,
    looked_by text NOT NULL,
    looked_at timestamptz NOT NULL
);
CREATE INDEX attachment_looks_by_attachment ON attachment_looks (attachment_id, id);
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
