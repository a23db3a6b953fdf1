-- What became of the events of the stream.

-- What the event said when it was sent (recsys.Event.Digest): another event
-- with the same id and other content is in conflict. Empty: not known.
ALTER TABLE recflow.live_events ADD COLUMN digest bytea NOT NULL DEFAULT '';

-- One row for each event with a readable id, written when everything that the
-- event causes has been delivered. The first verdict stays.
CREATE TABLE recflow.event_verdicts (
    event_id   text        COLLATE "C" NOT NULL,
    digest     bytea       NOT NULL,
    verdict    text        NOT NULL CHECK (verdict IN ('folded', 'ignored', 'quarantined')),
    reason     text        NOT NULL DEFAULT '',
    stage      text        NOT NULL DEFAULT '', -- of the list that the event shaped
    version_id bigint      NOT NULL DEFAULT 0,  -- 0: no version was live
    arrived_at timestamptz NOT NULL,            -- in the stream
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, digest)
);

CREATE INDEX event_verdicts_at ON recflow.event_verdicts (at);

-- Prequential evaluation: the rank that an event's item had, before the event
-- was folded, under the live state and under the version alone. 0: not in the
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
