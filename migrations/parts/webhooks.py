"""The tables of webhooks (shared/subscriptions), for the database of any service."""

WEBHOOKS = """
-- What operators set; only commands write here.
CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    types text NOT NULL,
    unit text NOT NULL,
    note text,
    state text NOT NULL,
    disabled_because text,
    secret bytea,
    secret_before bytea,
    secret_before_until timestamptz,
    begin_after text NOT NULL,
    begun int NOT NULL,
    letters_due_at timestamptz,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    version int NOT NULL
);

-- How far each webhook has come; only the job that delivers writes here.
CREATE TABLE webhook_places (
    webhook_id uuid PRIMARY KEY REFERENCES webhooks,
    version int NOT NULL,
    begun int NOT NULL,
    generation int NOT NULL,
    seq bigint NOT NULL,
    event_id text,
    recorded_at timestamptz NOT NULL,
    "offset" bigint NOT NULL,
    -- The newest generation that the receiver knows of.
    told_generation int NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_failure text,
    failed_at timestamptz,
    delivered_at timestamptz
);

-- Events whose last attempt failed, as they were sent.
CREATE TABLE webhook_dead_letters (
    id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks,
    event_id uuid NOT NULL,
    type text NOT NULL,
    event text NOT NULL,
    attempts int NOT NULL,
    reason text NOT NULL,
    failed_at timestamptz NOT NULL,
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_dead_letters_in_order ON webhook_dead_letters (webhook_id, id);

CREATE FUNCTION webhooks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('webhooks', '');
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_changed AFTER INSERT OR UPDATE ON webhooks
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_changed();
"""
