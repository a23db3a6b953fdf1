-- Who may call the API, and what was asked of it.

-- A token is "rf_KEY_SECRET". It is shown once; the secret is never stored.
CREATE TABLE recflow.tokens (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text        NOT NULL UNIQUE,
    name       text        NOT NULL,
    digest     bytea       NOT NULL,        -- SHA-256 of the secret
    scopes     text[]      NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,                 -- null: never
    used_at    timestamptz,                 -- to the minute
    revoked_at timestamptz
);

-- A name may be used again when its token is revoked: names appear in the audit.
CREATE UNIQUE INDEX tokens_name ON recflow.tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE recflow.audit (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor     text        NOT NULL,           -- who asked: "token:NAME", "anonymous" or "local"
    action    text        NOT NULL,           -- for example version.promote
    target    text        NOT NULL DEFAULT '',
    outcome   text        NOT NULL CHECK (outcome IN ('done', 'refused')),
    code      text        NOT NULL DEFAULT '', -- of the refusal
    detail    text        NOT NULL DEFAULT '',
    trace_id  text        NOT NULL DEFAULT ''
);

-- What happened stays as it was written.
CREATE FUNCTION recflow.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END $$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON recflow.audit
    FOR EACH STATEMENT EXECUTE FUNCTION recflow.keep_audit();
