-- What is known about versions. The data of version 42 is in schema v42.

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

CREATE TABLE recflow.versions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('loading', 'ready', 'refused', 'failed', 'dropped')),
    pinned          boolean     NOT NULL DEFAULT false,
    dimension       integer     NOT NULL CHECK (dimension > 0),
    items           bigint      NOT NULL,
    users           bigint      NOT NULL,
    covers_from     timestamptz,             -- null: no lower end
    covers_to       timestamptz NOT NULL,
    stored_to       timestamptz NOT NULL,
    search          json        NOT NULL,
    manifest        json        NOT NULL,    -- without its files, which readers do not need
    files           json        NOT NULL,
    manifest_digest bytea       NOT NULL,    -- tells a repeated CreateVersion from another run with the same id
    workflow_id     text        NOT NULL,
    workflow_run_id text        NOT NULL,
    failure         text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    ready_at        timestamptz,
    left_live_at    timestamptz              -- readers may hold it for a while longer
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

-- Who may write which part of a version. The tokens come from one sequence, so
-- that a newer claim always has the larger one.
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

-- Every change of the live version. below is the flip that a rollback goes back
-- to: a promotion puts itself on top, a rollback takes the top away. So two
-- rollbacks in a row go back twice and never return to what was rolled back.
CREATE TABLE recflow.flips (
    revision     bigint      PRIMARY KEY,
    version_id   bigint      NOT NULL REFERENCES recflow.versions (id),
    from_version bigint      REFERENCES recflow.versions (id),
    below        bigint      REFERENCES recflow.flips (revision),
    kind         text        NOT NULL CHECK (kind IN ('promote', 'rollback')),
    actor        text        NOT NULL,
    reason       text        NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

-- The live pointer: one row, changed by compare-and-set on its revision.
CREATE TABLE recflow.live (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    version_id bigint  REFERENCES recflow.versions (id),
    revision   bigint  NOT NULL DEFAULT 0
);

INSERT INTO recflow.live DEFAULT VALUES;
