package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestSendEvents(t *testing.T) {
	t.Parallel()
	stream := kinesistest.New("events", 2)
	h := newHarness(t)
	h.stream = stream.Client(t, "events")

	t.Run("it validates each event individually", func(t *testing.T) {
		a := h.Do("POST", "/events", `{"events":[
			{"event_id":"a","user_id":"u","item_id":"i","event_type":"click","occurred_at":"2026-01-01T00:00:00Z"},
			{"event_id":"b","user_id":"u","item_id":"i","event_type":"click","occurred_at":"yesterday"},
			{"user_id":"u","item_id":"i","event_type":"view"},
			{"event_id":"c","item_id":"i","event_type":"click"}, 7, null, {}, {"user_id":"u\u0000"},
			{"event_id":"d","event_id":"e","user_id":"u","item_id":"i","event_type":"view"}]}`)
		require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
		var sent apiclient.Sent
		a.Into(t, &sent)
		require.Equal(t, 2, sent.Accepted)
		require.Equal(t, 7, sent.Rejected)
		var reasons []string
		for _, r := range sent.Results {
			reasons = append(reasons, strings.TrimSpace(r.Status+" "+r.Reason))
		}
		require.Equal(t, []string{"accepted", "rejected bad_time", "accepted", "rejected missing_field", "rejected not_json", "rejected not_json",
			"rejected missing_field", "rejected bad_id", "rejected duplicate_field"}, reasons)
		records := stream.Records("events")
		require.Len(t, records, 2)
		require.JSONEq(t, `{"event_id":"a","user_id":"u","item_id":"i","event_type":"click","occurred_at":"2026-01-01T00:00:00Z"}`, string(records[0].Data))
		var e recsys.Event
		require.NoError(t, json.Unmarshal(records[1].Data, &e))
		require.Equal(t, sent.Results[2].EventID, e.EventID)
		digest := e.Digest()
		require.Equal(t, hex.EncodeToString(digest[:]), sent.Results[2].Digest, "names the event to POST /verdicts")
		require.Empty(t, sent.Results[1].Digest, "a rejected event gets no verdict")
		require.WithinDuration(t, time.Now(), e.OccurredAt, time.Minute)
		require.Equal(t, "u", *records[1].PartitionKey)
	})
	t.Run("it gives the events of a request with an idempotency key the same ids and content each time", func(t *testing.T) {
		send := func(key, user string) []apiclient.SentEvent {
			sent, err := h.Client(h.Token).SendEvents(t.Context(), []apiclient.NewEvent{
				{UserID: user, ItemID: "i", EventType: "view"}, {UserID: user, ItemID: "i", EventType: "view"}, {EventID: "own", UserID: user, ItemID: "i", EventType: "view"},
			}, key)
			require.NoError(t, err)
			require.Equal(t, 3, sent.Accepted)
			return sent.Results
		}
		first := send("k", "u")
		require.NotEqual(t, first[0].EventID, first[1].EventID)
		require.Equal(t, "own", first[2].EventID)
		harnesstest.Pause(t.Context(), 2*time.Millisecond)
		require.Equal(t, first, send("k", "u"), "so that the second request changes nothing")
		other := send("k", "someone else")
		require.Equal(t, first[0].EventID, other[0].EventID)
		require.NotEqual(t, first[0].Digest, other[0].Digest, "so that another body is a conflict")
		require.NotEqual(t, first[0].EventID, send("l", "u")[0].EventID)
		byTokenOf := func(name string) (id string, token int64) {
			t.Helper()
			text := h.TokenWith(name, apiclient.ScopeEvents)
			sent, err := h.Client(text).SendEvents(t.Context(), []apiclient.NewEvent{{UserID: "u", ItemID: "i", EventType: "view"}}, "k")
			require.NoError(t, err)
			all, err := h.Store.Tokens(t.Context(), 0, 1)
			require.NoError(t, err)
			return sent.Results[0].EventID, all[0].ID
		}
		shop, token := byTokenOf("shop")
		_, err := h.Store.RevokeToken(t.Context(), token)
		require.NoError(t, err)
		later, _ := byTokenOf("shop")
		require.NotEqual(t, shop, later, "a later token of that name has keys of its own")
		require.NotEqual(t, send("", "u")[0].EventID, send("", "u")[0].EventID)

		a := h.Do("POST", "/events", `{"events":[{"user_id":"u","item_id":"i","event_type":"view"}]}`, "Idempotency-Key: "+strings.Repeat("k", 201))
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
	})
	t.Run("it keeps the order of a user and retries failed records", func(t *testing.T) {
		before := len(stream.Records("events"))
		stream.FailRecords("ProvisionedThroughputExceededException", "InternalFailure")
		var events []apiclient.NewEvent
		for n := range 20 {
			events = append(events, apiclient.NewEvent{EventID: fmt.Sprintf("o%02d", n), UserID: fmt.Sprintf("u%d", n%3), ItemID: "i", EventType: "click"})
		}
		sent, err := h.Client(h.Token).SendEvents(t.Context(), events, "")
		require.NoError(t, err)
		require.Equal(t, 20, sent.Accepted)
		last := map[string]string{}
		records := stream.Records("events")[before:]
		require.Len(t, records, 20)
		for _, r := range records {
			var e recsys.Event
			require.NoError(t, json.Unmarshal(r.Data, &e))
			require.Less(t, last[e.UserID], e.EventID)
			last[e.UserID] = e.EventID
		}
	})
	t.Run("it waits for the events of one user, which are written one after the other", func(t *testing.T) {
		stream.OnPut(func(string, string) string {
			harnesstest.Pause(t.Context(), putTimeout/maxEvents+2*time.Millisecond) // the time of a request to Kinesis
			return ""
		})
		defer stream.OnPut(nil)
		events := make([]map[string]string, maxEvents)
		for n := range events {
			events[n] = map[string]string{"event_id": fmt.Sprintf("busy-%d", n), "user_id": "busy", "item_id": "i", "event_type": "click"}
		}
		a := h.Do("POST", "/events", map[string]any{"events": events})
		require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
	})
	t.Run("it lists the events that were not written", func(t *testing.T) {
		stream.OnPut(func(string, string) string { return "ProvisionedThroughputExceededException" })
		defer stream.OnPut(nil)
		a := h.Do("POST", "/events", `{"events":[{"event_id":"a","user_id":"u","item_id":"i","event_type":"click"},{"event_id":"b"}]}`)
		p := a.Problem(t)
		require.Equal(t, "stream_throttled", p.Code)
		require.Equal(t, http.StatusTooManyRequests, a.Status)
		require.NotEmpty(t, a.Header.Get("Retry-After"))
		require.Equal(t, "0 events were written to the stream, 1 were not, 1 are invalid", p.Detail)
		require.Equal(t, []apiclient.Mistake{{Location: "body.events[0]", Message: "not written to the stream"}}, p.Errors)
	})
	t.Run("it accepts 1 to 500 events", func(t *testing.T) {
		for _, body := range []string{`{"events":[]}`, `{}`, `{"events":[` + strings.Repeat("7,", 500) + `7]}`} {
			require.Equal(t, "invalid_request", h.Do("POST", "/events", body).Problem(t).Code)
		}
	})
}

func TestEventOutcome(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	get := func(id string) (e apiclient.EventOutcome) {
		h.Do("GET", "/events/"+id, nil).Into(t, &e)
		return e
	}
	require.Equal(t, "unknown", get("x").State)
	e := recsys.Event{EventID: "x", UserID: "u", ItemID: "i", EventType: "click", OccurredAt: time.Now()}
	postgrestest.Stream(t, h.Store, e)
	require.Equal(t, "stored", get("x").State)
	verdicts := []events.Verdict{
		{EventID: "x", Digest: [16]byte{2}, Verdict: events.QuarantinedVerdict, Reason: "conflict", ArrivedAt: time.Now()},
		{EventID: "x", Digest: [16]byte{1}, Verdict: events.Folded, Stage: "session", Version: 3, ArrivedAt: time.Now()},
		{EventID: "q/1", Digest: [16]byte{1}, Verdict: events.QuarantinedVerdict, Reason: "bad_time", ArrivedAt: time.Now()},
	}
	require.NoError(t, h.Store.WriteVerdicts(t.Context(), verdicts[:1], nil))
	require.Equal(t, "stored", get("x").State, "the other one is in conflict, not this")
	require.NoError(t, h.Store.WriteVerdicts(t.Context(), verdicts[1:], nil))
	got := get("x")
	require.Equal(t, []any{"folded", "session", int64(3), 1}, []any{got.State, got.Stage, got.Version, got.Conflicts})
	require.False(t, got.StoredAt.IsZero())
	got = get("q%2F1")
	require.Equal(t, []string{"quarantined", "bad_time", "q/1"}, []string{got.State, got.Reason, got.EventID})
	require.Equal(t, "invalid_id", h.Do("GET", "/events/"+strings.Repeat("%C3%A4", 129), nil).Problem(t).Code)
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	arrived := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, h.Store.WriteVerdicts(t.Context(), []events.Verdict{
		{EventID: "x", Digest: [16]byte{2}, Verdict: events.QuarantinedVerdict, Reason: "conflict", ArrivedAt: arrived},
		{EventID: "x", Digest: [16]byte{1}, Verdict: events.Folded, Stage: "session", Version: 3, ArrivedAt: arrived},
	}, nil))
	digest := func(first string) string { return first + strings.Repeat("0", 30) }
	keys := []apiclient.EventKey{{EventID: "y", Digest: digest("01")}, {EventID: "x", Digest: digest("02")}, {EventID: "x", Digest: digest("01")}, {EventID: "x", Digest: digest("03")}}
	got, err := api.Verdicts(t.Context(), keys)
	require.NoError(t, err)
	var states []string
	for i, v := range got.Items {
		require.Equal(t, keys[i], v.EventKey, "in their order")
		states = append(states, strings.TrimSpace(v.State+" "+v.Reason))
	}
	require.Equal(t, []string{"unknown", "quarantined conflict", "folded", "unknown"}, states)
	folded := got.Items[2]
	require.Equal(t, []any{"session", int64(3)}, []any{folded.Stage, folded.Version})
	require.True(t, arrived.Equal(folded.ArrivedAt))
	require.False(t, folded.DecidedAt.IsZero())

	ask := func(events any) string {
		return h.Do("POST", "/verdicts", map[string]any{"events": events}).Problem(t).Code
	}
	require.Equal(t, "invalid_request", ask([]any{}))
	require.Equal(t, "invalid_request", ask([]any{map[string]any{"event_id": "x"}}))
	require.Equal(t, "invalid_request", ask([]any{map[string]any{"event_id": "x", "digest": "0F"}}))
	require.Equal(t, "invalid_id", ask([]any{map[string]any{"event_id": "x\u0007", "digest": digest("01")}}))
	require.Equal(t, "invalid_request", ask(make([]apiclient.EventKey, apiclient.MaxEventKeys+1)))
	full := make([]apiclient.EventKey, apiclient.MaxEventKeys)
	for i := range full {
		full[i] = apiclient.EventKey{EventID: strings.Repeat("\u2028", 80) + strconv.Itoa(i), Digest: digest("01")}
	}
	got, err = api.Verdicts(t.Context(), full)
	require.NoError(t, err, "the longest request fits")
	require.Len(t, got.Items, len(full))
	require.Empty(t, h.Audited(), "it changes nothing")
}
