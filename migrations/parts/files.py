"""The tables of files (shared/files), for the database of any service."""

FILES = """
-- A file of a record. Several may have the same content; the store holds it once.
CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    of text NOT NULL,
    record_id uuid NOT NULL,
    from_sender boolean NOT NULL,
    place int NOT NULL,
    content text NOT NULL,
    media_type text NOT NULL,
    bytes bigint NOT NULL,
    name text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    removed_by text,
    removed_at timestamptz,
    removal_reason text,
    version int NOT NULL,
    CONSTRAINT attachments_removed CHECK ((removed_at IS NULL) = (removed_by IS NULL))
);
CREATE INDEX attachments_by_record ON attachments (record_id, id);
-- The same content is attached to a record once, and no more files than there are numbers, whoever sends at the same time.
CREATE UNIQUE INDEX attachments_once ON attachments (record_id, from_sender, content) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX attachments_places ON attachments (record_id, from_sender, place) WHERE removed_at IS NULL;
CREATE INDEX attachments_by_content ON attachments (content);

-- Each content that was put into the store or is about to be. An upload touches its row first; the sweep deletes row and
-- object together, holding the row (shared/files/sweep.py).
CREATE TABLE attachment_contents (content text PRIMARY KEY, touched_at timestamptz NOT NULL);
CREATE INDEX attachment_contents_by_age ON attachment_contents (touched_at);

-- Each download of what a sender has sent who is no caller.
CREATE TABLE attachment_looks (
    id uuid PRIMARY KEY,
    attachment_id uuid NOT NULL REFERENCES attachments,
    looked_by text NOT NULL,
    looked_at timestamptz NOT NULL
);
CREATE INDEX attachment_looks_by_attachment ON attachment_looks (attachment_id, id);
"""
