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

// StreamEvent is an event of the stream and what it said when it was sent,
// which differs from the event itself when that was clamped.
type StreamEvent struct {
	recsys.Event
	Digest [16]byte // recsys.Event.Digest of the event as sent
}

// StoredEvent is what is kept under the id of an event: of several with one id
// the first one stored.
type StoredEvent struct {
	At         time.Time // stored_at: the database's clock at the first insert
	OccurredAt time.Time
	Digest     [16]byte // zero: not known
	Conflict   bool     // what is kept says something else
	Done       bool     // the event has its verdict already
}

// StoredBatch is the answer to a batch of events.
type StoredBatch struct {
	Events   []StoredEvent // in the order asked
	Version  int64         // that is live; 0: none
	Revision int64         // of the live pointer
}

// StoreEvents keeps the events of a batch, whose ids are distinct, and says what
// is kept under each id and which version is live, in one round trip. An event
// that is there already stays as it is. Batches that share events may be stored
// at the same time.
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
	batch.Queue("SELECT coalesce(version_id, 0), revision FROM recflow.live").QueryRow(func(row pgx.Row) error {
		return row.Scan(&out.Version, &out.Revision)
	})
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return StoredBatch{}, fmt.Errorf("store the events of the stream: %w", err)
	}
	return out, nil
}

// Everybody inserts in the order of the ids: two batches that share events would
// otherwise wait for each other.
const (
	insertEvents = `
		INSERT INTO recflow.live_events
			(event_id, user_id, item_id, event_type, value, session_id, recommendation_id, occurred_at, digest)
		SELECT *
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[],
			$8::timestamptz[], $9::bytea[]) AS e (event_id)
		ORDER BY e.event_id COLLATE "C"
		ON CONFLICT (event_id) DO NOTHING`

	// A later statement sees what somebody else has committed meanwhile. The
	// limits change nothing and keep the planner from reading whole tables.
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

// eventColumns is a batch of events turned into arrays, by event_id.
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

// collect puts what is stored into the order of the batch.
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
		err = fmt.Errorf("%d of %d events were dropped while they were stored", len(sent)-found, len(sent))
	}
	return err
}
