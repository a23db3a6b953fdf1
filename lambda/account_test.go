package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// account checks where every accepted event ended: once in the state, once in
// quarantine, or nowhere if it was never accepted.
func (s *soak) account() {
	t := s.t
	for range s.bucket.List(t.Context(), "failed-batches/") {
		require.Fail(t, "no record may be discarded while retries are unlimited")
	}
	quarantined := map[string]bool{} // by position
	for _, q := range lines[stream.Quarantined](s, "quarantine/") {
		quarantined[q.QuarantineID] = true
	}
	delivered := map[string]recsys.Event{}
	for _, e := range lines[recsys.Event](s, "raw/events/") {
		if first, twice := delivered[e.EventID]; twice {
			if first.Digest() != e.Digest() || !first.StoredAt.Equal(e.StoredAt) {
				require.Fail(t, "copies of an event differ")
			}
		}
		delivered[e.EventID] = e
	}
	stored := s.storedEvents()

	info, err := s.producer.Describe(t.Context())
	require.NoError(t, err)
	faulty := 0
	for _, r := range s.kinesis.Records(harnessStream) {
		record := stream.Record{
			Data: r.Data, Stream: info.ARN, Shard: r.Shard, SequenceNumber: *r.SequenceNumber, ArrivedAt: *r.ApproximateArrivalTimestamp,
		}
		for _, d := range stream.Decode(record) {
			position := stream.QuarantineID(record.Stream, record.Shard, record.SequenceNumber, d.Sub)
			if d.Fault != nil {
				faulty++
				require.True(t, quarantined[position], "a broken record is in quarantine: %s", d.Fault.Reason)
				continue
			}
			state, ok := stored[d.EventID]
			require.True(t, ok, "an accepted event is in the state")
			if state.Digest != d.Digest {
				require.True(t, quarantined[position], "an event in conflict is in quarantine")
				continue
			}
			require.False(t, quarantined[position], "an event is in the state or in quarantine")
			copied, ok := delivered[d.EventID]
			require.True(t, ok, "an accepted event goes to the next training")
			require.Equal(t, state.At, copied.StoredAt, "with the time at which it was stored first")
		}
	}
	require.Len(t, delivered, len(stored), "an event that was never accepted is not delivered")
	t.Logf("%d records: %d events in the state and delivered, %d broken ones in quarantine", len(s.kinesis.Records(harnessStream)), len(stored), faulty)
	s.accountForLists()
}

// storedEvents returns the events in Postgres by id.
func (s *soak) storedEvents() map[string]events.StoredEvent {
	conn, err := pgx.Connect(s.t.Context(), s.server.URL("postgres"))
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	rows, err := conn.Query(s.t.Context(), "SELECT event_id, stored_at, digest FROM recflow.live_events")
	require.NoError(s.t, err)
	out := map[string]events.StoredEvent{}
	var id string
	var digest []byte
	var e events.StoredEvent
	_, err = pgx.ForEachRow(rows, []any{&id, &e.At, &digest}, func() error {
		copy(e.Digest[:], digest)
		e.At = e.At.UTC()
		out[id] = e
		return nil
	})
	require.NoError(s.t, err)
	return out
}

// accountForLists compares the last list delivered for each user with the list
// that a reader computes.
func (s *soak) accountForLists() {
	t := s.t
	last := map[string]stream.Recommendation{}
	all := lines[stream.Recommendation](s, "recommendations/")
	for _, l := range all {
		if l.CreatedAt.After(last[l.UserID].CreatedAt) {
			last[l.UserID] = l
		}
	}
	users := 0
	for user := range s.users {
		list, err := (&recommend.Recommender{Versions: s.store.VersionStore, Embeddings: s.store.EmbeddingStore}).Recommend(t.Context(), recommend.Request{UserID: user, K: 20})
		require.NoError(t, err)
		require.Equal(t, list.RecommendationID, last[user].RecommendationID, "the last list delivered is computed from the current state")
		for i, item := range last[user].Items {
			require.Equal(t, list.Items[i].ItemID, item.ItemID)
		}
		users++
	}
	t.Logf("%d lists delivered; the last list of each of %d users is the one that is read", len(all), users)
}

// lines reads what Firehose has delivered under a prefix.
func lines[T any](s *soak, prefix string) (out []T) {
	for o, err := range s.bucket.List(s.t.Context(), prefix) {
		require.NoError(s.t, err)
		body, err := s.bucket.Get(s.t.Context(), o.Key, 64<<20)
		require.NoError(s.t, err)
		zip, err := gzip.NewReader(bytes.NewReader(body))
		require.NoError(s.t, err)
		text := bufio.NewScanner(zip)
		text.Buffer(nil, 4<<20)
		for text.Scan() {
			var line T
			require.NoError(s.t, json.Unmarshal(text.Bytes(), &line))
			out = append(out, line)
		}
		require.NoError(s.t, text.Err())
	}
	return out
}
