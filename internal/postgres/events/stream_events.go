package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// StreamEvent is an event of the stream and the digest of its original content,
// which differs from the event if a value was clamped.
type StreamEvent struct {
	recsys.Event
	Digest [16]byte // recsys.Event.Digest of the event as sent
}

// StoredEvent is the stored state of an event id: of several events with one id
// the first one is stored.
type StoredEvent struct {
	At         time.Time // stored_at: the database's clock at the first insert
	OccurredAt time.Time
	Digest     [16]byte // zero: unknown
	Conflict   bool     // the stored event has different content
	Done       bool     // the event already has its verdict
}

// StoredBatch is the result of storing a batch of events.
type StoredBatch struct {
	Events    []StoredEvent // in the order of the batch
	Version   int64         // live version; 0: none
	Revision  int64         // of the live pointer
	Candidate int64         // version that is about to be promoted; 0: none
}

// StoreEvents stores the events of a batch, whose ids must be distinct, and
// returns the stored state of each id and the live version, in one round trip.
// An existing event stays as it is. It is safe for concurrent use, even with
// batches that share events.
func (s *Store) StoreEvents(ctx context.Context, events []StreamEvent) (StoredBatch, error) {
	out := StoredBatch{Events: make([]StoredEvent, len(events))}
	batch := &pgx.Batch{}
	if len(events) > 0 {
		columns := columnsOf(events)
		batch.Queue(insertEvents, columns.insert()...)
		batch.Queue(readEvents, columns.ids, columns.digests).Query(func(rows pgx.Rows) error {
			return columns.collect(rows, events, out.Events)
		})
	}
	batch.Queue("SELECT coalesce(version_id, 0), revision, coalesce(candidate, 0) FROM recflow.live").QueryRow(func(row pgx.Row) error {
		return row.Scan(&out.Version, &out.Revision, &out.Candidate)
	})
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return StoredBatch{}, fmt.Errorf("store the events of the stream: %w", err)
	}
	return out, nil
}

// Every batch inserts in the order of the ids: otherwise two batches that share
// events would deadlock.
const (
	insertEvents = `
		INSERT INTO recflow.live_events
			(event_id, user_id, item_id, event_type, value, session_id, recommendation_id, occurred_at, digest)
		SELECT *
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[],
			$8::timestamptz[], $9::bytea[]) AS e (event_id)
		ORDER BY e.event_id COLLATE "C"
		ON CONFLICT (event_id) DO NOTHING`

	// A later statement sees what other transactions committed since. The
	// limits have no effect on the result and keep the planner from scanning
	// whole tables.
	readEvents = `
		SELECT
			e.n,
			l.stored_at,
			l.occurred_at,
			l.digest,
			v.done IS NOT NULL
		FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS e (event_id, digest, n)
		CROSS JOIN LATERAL (
			SELECT *
			FROM recflow.live_events l
			WHERE l.event_id = e.event_id
			LIMIT 1
		) l
		LEFT JOIN LATERAL (
			SELECT true AS done
			FROM recflow.event_verdicts v
			WHERE v.event_id = e.event_id AND v.digest = e.digest
			LIMIT 1
		) v ON true`
)

// eventColumns is a batch of events as arrays, ordered by event_id.
type eventColumns struct {
	order                     []int // index of each row in the batch
	ids, users, items, types  []string
	sessions, recommendations []string
	values                    []*float64
	times                     []time.Time
	digests                   [][]byte
}

func columnsOf(events []StreamEvent) *eventColumns {
	c := &eventColumns{order: make([]int, len(events))}
	for i := range c.order {
		c.order[i] = i
	}
	slices.SortFunc(c.order, func(a, b int) int { return cmp.Compare(events[a].EventID, events[b].EventID) })
	for _, i := range c.order {
		e := &events[i]
		c.ids, c.users, c.items = append(c.ids, e.EventID), append(c.users, e.UserID), append(c.items, e.ItemID)
		c.types, c.values = append(c.types, e.EventType), append(c.values, e.Value)
		c.sessions, c.recommendations = append(c.sessions, e.SessionID), append(c.recommendations, e.RecommendationID)
		c.times, c.digests = append(c.times, e.OccurredAt), append(c.digests, e.Digest[:])
	}
	return c
}

func (c *eventColumns) insert() []any {
	return []any{c.ids, c.users, c.items, c.types, c.values, c.sessions, c.recommendations, c.times, c.digests}
}

// collect returns the stored events in the order of the batch.
func (c *eventColumns) collect(rows pgx.Rows, sent []StreamEvent, out []StoredEvent) error {
	var row int64
	var digest []byte
	var e StoredEvent
	found := 0
	_, err := pgx.ForEachRow(rows, []any{&row, &e.At, &e.OccurredAt, &digest, &e.Done}, func() error {
		i := c.order[row-1]
		e.Digest = [16]byte{}
		copy(e.Digest[:], digest)
		e.Conflict = len(digest) > 0 && e.Digest != sent[i].Digest
		out[i] = e
		found++
		return nil
	})
	if err == nil && found != len(sent) {
		err = fmt.Errorf("%d of %d events were deleted while they were stored", len(sent)-found, len(sent))
	}
	return err
}
