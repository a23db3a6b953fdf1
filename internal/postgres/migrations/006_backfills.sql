-- Backfills: what is to be done, and what became of it. Temporal does the work;
-- what is true about it is here.

-- A version of a training as of some time in the past: it shows how good the
-- embeddings would have been, and does not go live by accident.
ALTER TABLE recflow.versions ADD COLUMN evaluation boolean NOT NULL DEFAULT false;

CREATE TABLE recflow.backfills (
    id              text        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind IN ('refresh', 'as_of')),
    state           text        NOT NULL CHECK (state IN ('pending', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    range_from      timestamptz,                        -- null: from the first event
    range_to        timestamptz NOT NULL,
    step_seconds    bigint      NOT NULL DEFAULT 0,
    max_parallel    integer     NOT NULL,
    rerun           text        NOT NULL CHECK (rerun IN ('missing', 'failed', 'all')),
    promote         boolean     NOT NULL,
    request         json        NOT NULL,               -- of each training
    parameters      bytea       NOT NULL,               -- digest of what shapes a training beside its range
    idempotency_key text        NOT NULL UNIQUE,        -- the caller's; else the request's own digest, free again when it is over
    request_digest  bytea       NOT NULL,
    actor           text        NOT NULL,
    round           integer     NOT NULL DEFAULT 1,     -- grows with every retry
    workflow_id     text        NOT NULL,
    owner           text        NOT NULL DEFAULT '',    -- the run of the workflow that is at work
    heartbeat_at    timestamptz,                        -- when it was last known to be
    error           text        NOT NULL DEFAULT '',
    revision        bigint      NOT NULL DEFAULT 1,     -- grows with every change
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    ended_at        timestamptz
);

CREATE INDEX backfills_created ON recflow.backfills (created_at DESC, id DESC);
CREATE INDEX backfills_active ON recflow.backfills (changed_at) WHERE state IN ('pending', 'running', 'cancelling');

CREATE TABLE recflow.backfill_slices (
    backfill_id     text        NOT NULL REFERENCES recflow.backfills (id),
    index           integer     NOT NULL,
    slice_from      timestamptz,
    slice_to        timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')),
    reason          text        NOT NULL DEFAULT '',
    attempt         integer     NOT NULL DEFAULT 0,
    workflow_id     text        NOT NULL DEFAULT '',
    workflow_run_id text        NOT NULL DEFAULT '',
    run_id          text        NOT NULL DEFAULT '',
    version_id      bigint      NOT NULL DEFAULT 0,
    rows            bigint      NOT NULL DEFAULT 0,
    metrics         json,
    error           text        NOT NULL DEFAULT '',
    started_at      timestamptz,
    ended_at        timestamptz,
    PRIMARY KEY (backfill_id, index)
);

-- Every attempt at a slice; the slice itself tells of the latest one.
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
    FOREIGN KEY (backfill_id, index) REFERENCES recflow.backfill_slices (backfill_id, index)
);

CREATE INDEX backfill_slices_range ON recflow.backfill_slices (slice_to);
