-- What changes while a version serves. Versions are never written to.

CREATE TABLE recflow.item_state (
    item_id    text        COLLATE "C" PRIMARY KEY,
    available  boolean     NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Events that came through the stream, each event_id once. They are kept until
-- every version that may go live has counted them.
CREATE TABLE recflow.live_events (
    event_id          text        COLLATE "C" PRIMARY KEY,
    user_id           text        COLLATE "C" NOT NULL,
    item_id           text        COLLATE "C" NOT NULL,
    event_type        text        NOT NULL,
    value             double precision,
    session_id        text        NOT NULL DEFAULT '',
    recommendation_id text        NOT NULL DEFAULT '',
    occurred_at       timestamptz NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX live_events_user ON recflow.live_events (user_id, occurred_at, event_id);

-- What is no longer in live_events: exclusive upper ends of their times, and
-- their fingerprint, so that a training can still be compared with all of them.
CREATE TABLE recflow.horizon (
    one             boolean     PRIMARY KEY DEFAULT true CHECK (one),
    stored_before   timestamptz,
    occurred_before timestamptz,
    dropped         bigint      NOT NULL DEFAULT 0,
    hash            bigint      NOT NULL DEFAULT 0
);

INSERT INTO recflow.horizon DEFAULT VALUES;
