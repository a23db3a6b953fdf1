-- The schema recflow. The data of version 42 is in schema v42, which the loader
-- creates. A later change goes into a file of its own; this one is fixed once
-- 0.1.0 is released.

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

-- One row per version.

CREATE TABLE recflow.versions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('loading', 'ready', 'refused', 'failed', 'dropped')),
    pinned          boolean     NOT NULL DEFAULT false,
    evaluation      boolean     NOT NULL DEFAULT false, -- trained as of a time in the past: not promoted by accident
    dimension       integer     NOT NULL CHECK (dimension > 0),
    items           bigint      NOT NULL,
    users           bigint      NOT NULL,
    covers_from     timestamptz,             -- null: unbounded
    covers_to       timestamptz NOT NULL,
    stored_to       timestamptz NOT NULL,
    search          json        NOT NULL,
    manifest        json        NOT NULL,    -- without its files, which readers do not need
    files           json        NOT NULL,
    manifest_digest bytea       NOT NULL,    -- distinguishes a repeated CreateVersion from another run with the same id
    workflow_id     text        NOT NULL,
    workflow_run_id text        NOT NULL,
    failure         text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    ready_at        timestamptz,
    left_live_at    timestamptz              -- readers may use it for a while longer
);

-- One version per run at a time: a repeated CreateVersion finds the first one.
CREATE UNIQUE INDEX versions_run_id ON recflow.versions (run_id) WHERE state IN ('loading', 'ready');

CREATE TABLE recflow.gates (
    version_id bigint      NOT NULL REFERENCES recflow.versions (id),
    position   integer     NOT NULL,
    result     json        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version_id, position)
);

-- Claims on the parts of a version. All tokens come from one sequence, so a
-- newer claim always has the larger token.
CREATE SEQUENCE recflow.fencing_token;

CREATE TABLE recflow.claims (
    version_id bigint      NOT NULL REFERENCES recflow.versions (id),
    slot       text        NOT NULL,
    token      bigint      NOT NULL,
    done       boolean     NOT NULL DEFAULT false,
    rows       bigint      NOT NULL DEFAULT 0,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version_id, slot)
);

-- Every change of the live version, as a stack. below is the entry that a
-- rollback returns to: a promotion pushes an entry, a rollback pops one. So two
-- rollbacks in a row go back two versions and never return to a version that
-- was rolled back.
CREATE TABLE recflow.live_changes (
    revision     bigint      PRIMARY KEY,
    version_id   bigint      NOT NULL REFERENCES recflow.versions (id),
    from_version bigint      REFERENCES recflow.versions (id),
    below        bigint      REFERENCES recflow.live_changes (revision),
    kind         text        NOT NULL CHECK (kind IN ('promote', 'rollback')),
    actor        text        NOT NULL,
    reason       text        NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

-- The live pointer: one row, changed by compare-and-set on its revision.
-- candidate is about to be promoted: processes that search in memory load it.
CREATE TABLE recflow.live (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    version_id bigint  REFERENCES recflow.versions (id),
    revision   bigint  NOT NULL DEFAULT 0,
    candidate  bigint  REFERENCES recflow.versions (id)
);

INSERT INTO recflow.live DEFAULT VALUES;

-- Overrides that apply to an item on top of every version. Null: no override.
CREATE TABLE recflow.item_state (
    item_id           text        COLLATE "C" PRIMARY KEY,
    available         boolean,                      -- set by an operator
    catalog_available boolean,                      -- by the catalog, where a version differs from it; available wins
    updated_at        timestamptz NOT NULL DEFAULT now(),
    title             text,
    category          text,
    tags              text[],
    revision          bigint      NOT NULL DEFAULT 0 -- of the last change, set by a trigger
);

CREATE INDEX item_state_revision ON recflow.item_state (revision);
CREATE INDEX item_state_category ON recflow.item_state (category) WHERE category IS NOT NULL;
CREATE INDEX item_state_tags ON recflow.item_state USING gin (tags) WHERE tags IS NOT NULL;

-- Incremented by every change of item_state. A transaction that changes item_state
-- holds the lock of this row until it ends, so revisions are in the order of the
-- commits: who reads revision n also reads all changes up to n. Readers that have
-- revision n need only rows with a larger one, unless rows were deleted since n.
CREATE TABLE recflow.item_changes (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL DEFAULT 1,
    deleted  bigint  NOT NULL DEFAULT 0 -- revision of the last DELETE or TRUNCATE
);

INSERT INTO recflow.item_changes DEFAULT VALUES;

-- A user who may change item_state needs no privilege on the counter. Before the
-- statement, so that the lock of the counter is always taken before that of a row.
CREATE FUNCTION recflow.count_item_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE recflow.item_changes SET
        revision = revision + 1,
        deleted = CASE WHEN TG_OP IN ('DELETE', 'TRUNCATE') THEN revision + 1 ELSE deleted END;
    RETURN NULL;
END $$;

CREATE TRIGGER item_state_changes
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON recflow.item_state
    FOR EACH STATEMENT EXECUTE FUNCTION recflow.count_item_change();

CREATE FUNCTION recflow.set_item_revision() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.revision := (SELECT revision FROM recflow.item_changes);
    RETURN NEW;
END $$;

CREATE TRIGGER item_state_revision
    BEFORE INSERT OR UPDATE ON recflow.item_state
    FOR EACH ROW EXECUTE FUNCTION recflow.set_item_revision();

-- Events from the stream, each event_id once. They are kept until every version
-- that may be promoted covers them.
CREATE TABLE recflow.live_events (
    event_id          text        COLLATE "C" PRIMARY KEY,
    user_id           text        COLLATE "C" NOT NULL,
    item_id           text        COLLATE "C" NOT NULL,
    event_type        text        NOT NULL,
    value             double precision,
    session_id        text        NOT NULL DEFAULT '',
    recommendation_id text        NOT NULL DEFAULT '',
    occurred_at       timestamptz NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest            bytea       NOT NULL DEFAULT '' -- recsys.Event.Digest of the received event: another event with the same id is a conflict; empty: unknown
);

-- For the newest uncovered events of a user. stored_at is there to skip covered
-- events without reading them. The condition is recsys.IsImpression, negated.
CREATE INDEX live_events_user ON recflow.live_events (user_id, occurred_at, event_id, stored_at)
    WHERE translate(event_type, 'IMPRESONİ_- ', 'impresoni') <> 'impression';

-- Events are deleted in chunks, oldest first: without the index each chunk
-- would scan the whole table.
CREATE INDEX live_events_stored ON recflow.live_events (stored_at);

-- What was deleted from live_events: exclusive upper bounds of the times.
-- Events stored before trusted_before are not compared with the bucket.
CREATE TABLE recflow.horizon (
    one             boolean     PRIMARY KEY DEFAULT true CHECK (one),
    stored_before   timestamptz,
    occurred_before timestamptz,
    trusted_before  timestamptz
);

INSERT INTO recflow.horizon DEFAULT VALUES;

-- The baseline of each training that has not ended. The training is compared with
-- the events that its baseline does not cover, so these are not deleted.
CREATE TABLE recflow.trainings (
    run_id             text        PRIMARY KEY,
    baseline_version   bigint      NOT NULL, -- 0: no version
    baseline_to        timestamptz NOT NULL,
    baseline_stored_to timestamptz NOT NULL,
    workflow_id        text        NOT NULL,
    workflow_run_id    text        NOT NULL,
    started_at         timestamptz NOT NULL DEFAULT now()
);

-- One row per event with a readable id, written after everything that the event
-- causes was delivered. The first verdict is final.
CREATE TABLE recflow.event_verdicts (
    event_id   text        COLLATE "C" NOT NULL,
    digest     bytea       NOT NULL,
    verdict    text        NOT NULL CHECK (verdict IN ('folded', 'ignored', 'quarantined')),
    reason     text        NOT NULL DEFAULT '',
    stage      text        NOT NULL DEFAULT '', -- of the list that the event changed
    version_id bigint      NOT NULL DEFAULT 0,  -- 0: no version was live
    arrived_at timestamptz NOT NULL,            -- in the stream
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, digest)
);

-- The batches in the failure destination that were sent to the stream again.
CREATE TABLE recflow.replayed_batches (
    key     text        COLLATE "C" PRIMARY KEY, -- of the object
    records integer     NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX event_verdicts_at ON recflow.event_verdicts (at);

-- Prequential evaluation: the rank of an event's item before the event was
-- folded in, with the live state and with the version alone. 0: not in the
-- first hundred.
CREATE TABLE recflow.evaluations (
    event_id    text        COLLATE "C" PRIMARY KEY,
    version_id  bigint      NOT NULL,
    live_stage  text        NOT NULL,
    stale_stage text        NOT NULL,
    live_rank   integer     NOT NULL,
    stale_rank  integer     NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX evaluations_at ON recflow.evaluations (at);

-- Access to the API, and its audit.

-- A token is "rf_", its key and its secret. It is shown once; the secret is never stored.
CREATE TABLE recflow.tokens (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text        NOT NULL UNIQUE,
    name       text        NOT NULL,
    digest     bytea       NOT NULL,        -- SHA-256 of the secret
    scopes     text[]      NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,                 -- null: never
    used_at    timestamptz,                 -- with a precision of a minute
    revoked_at timestamptz
);

-- A name can be reused once its token is revoked: names appear in the audit.
CREATE UNIQUE INDEX tokens_name ON recflow.tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE recflow.audit (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor     text        NOT NULL,           -- "token:NAME", "anonymous" or "local"
    action    text        NOT NULL,           -- for example version.promote
    target    text        NOT NULL DEFAULT '',
    outcome   text        NOT NULL CHECK (outcome IN ('done', 'refused')),
    code      text        NOT NULL DEFAULT '', -- problem code of a refusal
    detail    text        NOT NULL DEFAULT '',
    trace_id  text        NOT NULL DEFAULT ''
);

-- Entries cannot be changed, and deleted only when they are older than 400 days.
CREATE FUNCTION recflow.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.at < now() - interval '400 days' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION 'the audit is append-only for 400 days';
END $$;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON recflow.audit FOR EACH ROW EXECUTE FUNCTION recflow.keep_audit();

CREATE FUNCTION recflow.reject_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END $$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR TRUNCATE ON recflow.audit
    FOR EACH STATEMENT EXECUTE FUNCTION recflow.reject_audit_change();

-- The processes that serve lists, and what they may use for the search in memory. A
-- version gets no HNSW index if all that reported in the last 24 hours can hold its
-- items. prepared is the candidate that a process has loaded, or does not load.
CREATE TABLE recflow.readers (
    process      uuid        PRIMARY KEY,
    component    text        NOT NULL CHECK (component IN ('api', 'function')),
    memory_bytes bigint      NOT NULL CHECK (memory_bytes >= 0),
    prepared     bigint      NOT NULL DEFAULT 0,
    reported_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX readers_reported ON recflow.readers (reported_at);

-- Backfills and their outcomes. Temporal does the work; this table is the
-- source of truth.
CREATE TABLE recflow.backfills (
    id              text        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind IN ('refresh', 'as_of', 'lists')),
    state           text        NOT NULL CHECK (state IN ('pending', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    range_from      timestamptz,                        -- null: from the first event
    range_to        timestamptz,                        -- null: lists, which have a version instead
    version_id      bigint      REFERENCES recflow.versions (id), -- of the lists; not pruned while the backfill is active
    step_seconds    bigint      NOT NULL DEFAULT 0,
    max_parallel    integer     NOT NULL,
    rerun           text        NOT NULL CHECK (rerun IN ('missing', 'failed', 'all')),
    promote         boolean     NOT NULL,
    request         json        NOT NULL,               -- request of each training, without its range; settings of lists
    parameters      bytea       NOT NULL,               -- digest of the parameters other than the range
    idempotency_key text,                               -- chosen by the client; null if it sent none
    request_digest  bytea       NOT NULL,
    actor           text        NOT NULL,
    round           integer     NOT NULL DEFAULT 1,     -- incremented by every retry
    workflow_id     text        NOT NULL,
    owner           text        NOT NULL DEFAULT '',    -- run id of the workflow that runs the backfill
    heartbeat_at    timestamptz,                        -- last heartbeat of that workflow
    error           text        NOT NULL DEFAULT '',
    revision        bigint      NOT NULL DEFAULT 1,     -- incremented by every change
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    ended_at        timestamptz,
    CHECK ((kind = 'lists') = (version_id IS NOT NULL)),
    CHECK ((kind = 'lists') = (range_to IS NULL))
);

-- A key is used for one request forever. Without a key, the same request finds
-- a backfill only while it is active.
CREATE UNIQUE INDEX backfills_idempotency_key ON recflow.backfills (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX backfills_request_active ON recflow.backfills (request_digest)
    WHERE idempotency_key IS NULL AND state IN ('pending', 'running', 'cancelling');

CREATE INDEX backfills_created ON recflow.backfills (created_at DESC, id DESC);
CREATE INDEX backfills_active ON recflow.backfills (changed_at) WHERE state IN ('pending', 'running', 'cancelling');

CREATE TABLE recflow.backfill_windows (
    backfill_id     text        NOT NULL REFERENCES recflow.backfills (id),
    index           integer     NOT NULL,
    window_from     timestamptz,
    window_to       timestamptz,                        -- null: lists, whose windows are ranges of user hashes
    state           text        NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')),
    reason          text        NOT NULL DEFAULT '',
    attempt         integer     NOT NULL DEFAULT 0,
    workflow_id     text        NOT NULL DEFAULT '',
    workflow_run_id text        NOT NULL DEFAULT '',
    run_id          text        NOT NULL DEFAULT '',
    version_id      bigint      NOT NULL DEFAULT 0,
    rows            bigint      NOT NULL DEFAULT 0,
    metrics         json,
    lists           json,                               -- files of lists that the window wrote
    error           text        NOT NULL DEFAULT '',
    started_at      timestamptz,
    ended_at        timestamptz,
    PRIMARY KEY (backfill_id, index)
);

-- Every attempt of a window; the window itself has the state of the latest one.
CREATE TABLE recflow.backfill_attempts (
    backfill_id     text        NOT NULL,
    index           integer     NOT NULL,
    attempt         integer     NOT NULL,
    state           text        NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    workflow_id     text        NOT NULL,
    workflow_run_id text        NOT NULL DEFAULT '',
    run_id          text        NOT NULL DEFAULT '',
    version_id      bigint      NOT NULL DEFAULT 0,
    error           text        NOT NULL DEFAULT '',
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    PRIMARY KEY (backfill_id, index, attempt),
    FOREIGN KEY (backfill_id, index) REFERENCES recflow.backfill_windows (backfill_id, index)
);

CREATE INDEX backfill_windows_range ON recflow.backfill_windows (window_to);

-- Support for one database user per component: the two changes that a component
-- may request but not make itself are functions that run with the owner's
-- privileges and check the invariants (docs/decisions/0021-database-users.md).

-- The version that a rollback returns to, and the entry below it.
CREATE FUNCTION recflow.previous_live(OUT version_id bigint, OUT below bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE stack AS (
        SELECT f.version_id, f.below, 0 AS depth
        FROM recflow.live l
        JOIN recflow.live_changes f ON f.revision = l.revision
        UNION ALL
        SELECT f.version_id, f.below, stack.depth + 1
        FROM stack
        JOIN recflow.live_changes f ON f.revision = stack.below
    )
    SELECT stack.version_id, stack.below
    FROM stack
    JOIN recflow.versions v ON v.id = stack.version_id AND v.state = 'ready'
    WHERE stack.version_id <> (SELECT l.version_id FROM recflow.live l)
    ORDER BY stack.depth
    LIMIT 1;
END;

-- Moves the live pointer if its revision is the expected one and the version
-- may be promoted. Only the two functions below call it.
CREATE FUNCTION recflow.change_live(to_version bigint, seen_revision bigint, for_evaluation boolean, kind text, below bigint, actor text, reason text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was recflow.live;
    v   recflow.versions;
BEGIN
    SELECT * INTO was FROM recflow.live FOR UPDATE;
    IF was.revision <> seen_revision THEN
        RAISE EXCEPTION 'the live pointer is at revision %, not %', was.revision, seen_revision USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT * INTO v FROM recflow.versions WHERE id = to_version FOR UPDATE;
    IF v.state IS DISTINCT FROM 'ready' THEN
        RAISE EXCEPTION 'version % is not ready', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF v.evaluation AND NOT for_evaluation THEN
        RAISE EXCEPTION 'version % is for evaluation only', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- Shared with other promotions; a deletion of events waits for them.
    PERFORM FROM recflow.horizon FOR SHARE;
    IF EXISTS (SELECT FROM recflow.horizon h WHERE h.stored_before > v.stored_to OR h.occurred_before > v.covers_to) THEN
        RAISE EXCEPTION 'version % does not cover events that were deleted', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO recflow.live_changes (revision, version_id, from_version, below, kind, actor, reason)
    VALUES (was.revision + 1, to_version, was.version_id, change_live.below, change_live.kind, change_live.actor, change_live.reason);
    -- Not now(), the start of the transaction, because the transaction may have
    -- waited since.
    UPDATE recflow.versions
    SET left_live_at = CASE WHEN id = was.version_id THEN clock_timestamp() END
    WHERE id IN (was.version_id, to_version);
    UPDATE recflow.live SET version_id = to_version, revision = was.revision + 1, candidate = NULL;
END $$;

CREATE FUNCTION recflow.promote(to_version bigint, seen_revision bigint, for_evaluation boolean, actor text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM recflow.change_live(to_version, seen_revision, for_evaluation, 'promote', nullif(seen_revision, 0), actor, reason);
END $$;

CREATE FUNCTION recflow.roll_back(seen_revision bigint, actor text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
BEGIN
    PERFORM FROM recflow.live FOR UPDATE; -- the pointer does not move until the end of the transaction
    SELECT * INTO STRICT target FROM recflow.previous_live();
    PERFORM recflow.change_live(target.version_id, seen_revision, false, 'rollback', target.below, actor, reason);
END $$;

-- Marks a version as dropped. Prune deletes its data.
CREATE FUNCTION recflow.drop_version(version bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM recflow.live FOR UPDATE;
    UPDATE recflow.versions v
    SET state = 'dropped'
    WHERE v.id = version
    AND v.state IN ('ready', 'refused', 'dropped')
    AND NOT v.pinned
    AND NOT EXISTS (SELECT FROM recflow.live l WHERE l.version_id = v.id);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version % is live, pinned, loading or does not exist', version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;

-- Grants the components that read versions access to a new one, except for its
-- hold-out. The creator of the version calls it; without component users it
-- does nothing.
CREATE FUNCTION recflow.grant_version_read(schema name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reader name;
BEGIN
    FOREACH reader IN ARRAY ARRAY['recflow_stream', 'recflow_api'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema, reader);
            EXECUTE format('GRANT SELECT ON %1$I.items, %1$I.users, %1$I.facets TO %2$I', schema, reader);
        END IF;
    END LOOP;
END $$;

-- Postgres grants EXECUTE on a new function to PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA recflow FROM PUBLIC;
