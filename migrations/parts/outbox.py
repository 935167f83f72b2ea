"""The outbox, the same in every service that tells of its changes."""

OUTBOX = """
-- Every event for ever, in the order of the commits; no personal data.
CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    dataversion smallint NOT NULL,
    subject text NOT NULL,
    data text NOT NULL,
    traceparent text,
    PRIMARY KEY (seq, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- The time of the last append, in microseconds: a sequence, since it costs no row version.
CREATE SEQUENCE outbox_clock;
ALTER TABLE outbox ALTER recorded_at
    SET DEFAULT timestamptz 'epoch' + currval('outbox_clock') * interval '1 microsecond';

CREATE FUNCTION outbox_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Held until the commit, so that no event appears behind a reader: the order of seq is the order of commits.
    PERFORM pg_advisory_xact_lock(7302);
    -- Set under the lock and never back, even when the machine's clock goes back.
    PERFORM setval('outbox_clock',
        greatest(nextval('outbox_clock'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint));
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_in_order BEFORE INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_in_order();

CREATE FUNCTION outbox_is_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the outbox keeps every event as it was';
END $$;
CREATE TRIGGER outbox_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_is_for_ever();

-- Makes the partitions of this month and the coming ones that are not there yet.
CREATE FUNCTION outbox_make_partitions(ahead int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
BEGIN
    FOR i IN 0..ahead LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF outbox FOR VALUES FROM (%L) TO (%L)',
            'outbox_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'),
            month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        month := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    END LOOP;
END $$;
SELECT outbox_make_partitions(13);

-- A generation begins when the database was restored to an earlier time (antt recover).
CREATE TABLE outbox_generations (
    generation int PRIMARY KEY,
    after_seq bigint NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO outbox_generations (generation, after_seq) VALUES (1, 0);

-- The first answer to each Idempotency-Key; the body is encrypted with a key that is not here.
CREATE TABLE answers (
    key bytea PRIMARY KEY,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    generation int,
    seq bigint,
    answered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX answers_by_age ON answers (answered_at);
"""

EMPTY_FINGERPRINTS = """
-- They were hashes without a key, from which what was sent can be guessed. An empty one is any input.
UPDATE answers SET fingerprint = '';
"""

SECRET_CHECK = """
-- A keyed check value of the secret that has sealed what lies here (shared/access/secrets.py); one at most.
CREATE TABLE secret_check (one boolean PRIMARY KEY DEFAULT true CHECK (one), value bytea NOT NULL);
"""

FOLLOWED = """
-- How far this service has followed the events of others.
CREATE TABLE followed (
    source text PRIMARY KEY,
    generation int NOT NULL,
    seq bigint NOT NULL,
    event_id text,
    recorded_at timestamptz NOT NULL,
    "offset" bigint NOT NULL
);
"""

PARTITIONS = """
-- Makes the partitions of this month and the coming ones that are not there yet. A table that is attached waits for nobody
-- who reads or writes the outbox, a backup included; one that is made as a partition does, and all others behind it.
CREATE OR REPLACE FUNCTION outbox_make_partitions(ahead int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7306);
    FOR i IN 0..ahead LOOP
        name := 'outbox_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS INCLUDING INDEXES)', name);
            EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        END IF;
        month := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    END LOOP;
END $$;
"""

CLOCKS = """
-- Whether the clock of who writes and this one agree; where they do not, one of them would date what is told wrongly for
-- ever. The statement's own time: how long it then waits for a lock says nothing of clocks.
CREATE FUNCTION outbox_clocks_agree(told timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF abs(extract(epoch FROM statement_timestamp() - told)) > 5 THEN
        RAISE 'the service tells %, the database %', told, statement_timestamp() USING ERRCODE = 'CLOCK';
    END IF;
    RETURN true;
END $$;
"""
