package events_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/cli/events"
	stored "github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// onStream returns the content of a stream, by user in the order of each.
func onStream(t *testing.T, s *kinesistest.Server) map[string][]recsys.Event {
	t.Helper()
	out := map[string][]recsys.Event{}
	for _, r := range s.Records("events") {
		for _, d := range stream.Decode(stream.Record{Data: r.Data, ArrivedAt: *r.ApproximateArrivalTimestamp}) {
			require.Nil(t, d.Fault)
			require.Equal(t, *r.PartitionKey, d.Event.UserID)
			out[d.Event.UserID] = append(out[d.Event.UserID], d.Event)
		}
	}
	return out
}

const twoClicks = `{"user_id":"u","item_id":"i","occurred_at":"2026-01-02T03:04:05Z"}
{"user_id":"u","item_id":"j","occurred_at":"2026-01-02T03:04:06.5+01:00","event_type":"view","event_id":null,"extra":[1]}
`

func TestEventsSend(t *testing.T) {
	t.Run("it sends lines of JSON, with the same ids each time", func(t *testing.T) {
		s := clitest.NewStream(t)
		for range 2 {
			r := clitest.Run(t.Context(), twoClicks, "events", "send", "-", "-q", "-o", "json")
			require.Zero(t, r.Code, r.Err)
			var report events.SendReport
			require.NoError(t, json.Unmarshal([]byte(r.Out), &report))
			assert.EqualValues(t, 2, report.Sent)
		}
		sent := onStream(t, s)["u"]
		require.Len(t, sent, 4)
		assert.Equal(t, sent[:2], sent[2:])
		assert.Equal(t, []string{"click", "view"}, []string{sent[0].EventType, sent[1].EventType})
		assert.Len(t, sent[0].EventID, 32)
		assert.NotEqual(t, sent[0].EventID, sent[1].EventID)
		assert.Equal(t, time.Date(2026, 1, 2, 2, 4, 6, 5e8, time.UTC), sent[1].OccurredAt)
	})
	t.Run("it sends CSV as import reads it, and names what it cannot send", func(t *testing.T) {
		s := clitest.NewStream(t)
		csv := "who,what,when\nu,i,2026-01-02\n,j,2026-01-02\nv,k,never\nu,l,2026-01-01\n"
		r := clitest.Run(t.Context(), csv, "events", "send", "-", "--user-column", "who", "--item-column", "what", "--time-column", "when")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "standard input:3: user_id is empty")
		assert.Contains(t, r.Err, `standard input:4: the time "never" is not a time`)
		assert.Contains(t, r.Err, "of 4 events 2 cannot be sent")
		sent := onStream(t, s)
		require.Len(t, sent["u"], 2)
		assert.Equal(t, "l", sent["u"][1].ItemID)
	})
	t.Run("it maps the keys of JSON lines as an import does", func(t *testing.T) {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for name, c := range map[string]struct {
			in         string
			flags      []string
			user, item string
		}{
			"other names": {`{"userId":"u1","movieId":"m1","rating":4.5,"timestamp":1767225600}`, nil, "u1", "m1"},
			"numbers":     {`{"user_id":101,"item_id":12345678901234567890,"event_type":"rating","value":4.5,"occurred_at":1767225600}`, nil, "101", "12345678901234567890"},
			"flags": {`{"visitor":"u1","thing":"i1","stars":4.5,"when":"2026-01-01T00:00:00Z"}`,
				[]string{"--user-column", "visitor", "--item-column", "thing", "--time-column", "when"}, "u1", "i1"},
			"an array": {"[\n{\"user_id\":\"u1\",\"item_id\":\"i1\",\"stars\":4.5,\"timestamp\":1767225600}]", nil, "u1", "i1"},
		} {
			s := clitest.NewStream(t)
			r := clitest.Run(t.Context(), c.in, append([]string{"events", "send", "-", "-q"}, c.flags...)...)
			require.Zero(t, r.Code, "%s: %s", name, r.Err)
			sent := onStream(t, s)[c.user]
			require.Len(t, sent, 1, name)
			sum := sha256.Sum256([]byte(c.in))
			value := 4.5
			assert.Equal(t, recsys.Event{EventID: recsys.RowEventID(hex.EncodeToString(sum[:]), 1), UserID: c.user, ItemID: c.item, EventType: "rating", Value: &value, OccurredAt: at}, sent[0], name)
		}
	})
	t.Run("it names a line and why the stream would reject it", func(t *testing.T) {
		s := clitest.NewStream(t)
		r := clitest.Run(t.Context(), twoClicks+"[]\n{\"user_id\":\"u\",\"user_id\":\"v\",\"item_id\":\"i\",\"occurred_at\":\"2026-01-02T03:04:05Z\"}\n",
			"events", "send", "-", "--format", "jsonl", "-q")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "standard input:3: is not a JSON object but another value")
		assert.Contains(t, r.Err, `standard input:4: has the field "user_id" twice`)
		assert.Len(t, onStream(t, s)["u"], 2)
	})
	t.Run("it sends anything with --raw", func(t *testing.T) {
		s := clitest.NewStream(t)
		r := clitest.Run(t.Context(), "{\"user_id\":\"u\"}\n\xff{\n", "events", "send", "-", "--raw", "-q")
		require.Zero(t, r.Code, r.Err)
		records := s.Records("events")
		require.Len(t, records, 2)
		byKey := map[string]string{}
		for _, r := range records {
			byKey[*r.PartitionKey] = string(r.Data)
		}
		assert.Equal(t, `{"user_id":"u"}`, byKey["u"])
	})
	t.Run("it sends only failed records again and keeps the order of a user", func(t *testing.T) {
		s := clitest.NewStream(t)
		s.FailRecords("ProvisionedThroughputExceededException", "", "InternalFailure")
		var lines strings.Builder
		for i := range 12 {
			e := recsys.Event{EventID: recsys.RowEventID("x", int64(i)), UserID: string(rune('a' + i%3)), ItemID: "i", EventType: "click", OccurredAt: time.Unix(1_700_000_000+int64(i), 0)}
			lines.Write(append(stream.EncodeEvent(e), '\n'))
		}
		r := clitest.Run(t.Context(), lines.String(), "events", "send", "-", "-q")
		require.Zero(t, r.Code, r.Err)
		for _, events := range onStream(t, s) {
			require.Len(t, events, 4)
			for i := 1; i < 4; i++ {
				require.True(t, events[i-1].OccurredAt.Before(events[i].OccurredAt))
			}
		}
	})
	t.Run("it reports what may not have been put", func(t *testing.T) {
		s := clitest.NewStream(t)
		s.OnCall(func(string) string { return "AccessDeniedException" })
		r := clitest.Run(t.Context(), twoClicks, "events", "send", "-", "-q")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "AccessDeniedException")
		assert.Contains(t, r.Err, "of 2 events 2 may not have been put")
		assert.Contains(t, r.Out, "unsent")
	})
	t.Run("it keeps a rate", func(t *testing.T) {
		clitest.NewStream(t)
		var lines strings.Builder
		for range 41 {
			lines.WriteString(`{"user_id":"u","item_id":"i","occurred_at":"2026-01-02T03:04:05Z"}` + "\n")
		}
		r := clitest.Run(t.Context(), lines.String(), "events", "send", "-", "-q", "-o", "json", "--rate", "100")
		require.Zero(t, r.Code, r.Err)
		var report events.SendReport
		require.NoError(t, json.Unmarshal([]byte(r.Out), &report))
		assert.InDelta(t, 0.4, report.Seconds, 0.15)
	})
	t.Run("it says how to start a stream", func(t *testing.T) {
		t.Setenv("RECFLOW_HOME", t.TempDir())
		t.Setenv("RECFLOW_STREAM", "")
		assert.Contains(t, clitest.Run(t.Context(), twoClicks, "events", "send", "-").Err, "recflow up")
	})
}

func TestEventsSend_twice_without_a_time(t *testing.T) {
	bucket := awstest.S3(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", awstest.Env(t)["AWS_ENDPOINT_URL_S3"])
	t.Setenv("RECFLOW_BUCKET", bucket.Bucket())
	s := clitest.NewStream(t)
	for range 2 {
		for _, text := range []string{`{"user_id":"u","item_id":"i"}`, "user,item\nv,i\n"} {
			require.Zero(t, clitest.Run(t.Context(), text, "events", "send", "-").Code)
		}
	}
	for user, events := range onStream(t, s) {
		require.Len(t, events, 2, user)
		assert.Equal(t, events[0].Digest(), events[1].Digest(), "sending it again is no conflict")
		assert.WithinDuration(t, time.Now(), events[0].OccurredAt, time.Minute)
	}
}

// judge writes the verdict of every event on the stream.
func judge(t *testing.T, s *kinesistest.Server, store *postgrestest.Store, verdict func(stream.Decoded) stored.Verdict) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		judged := 0
		for ctx.Err() == nil {
			records := s.Records("events")
			if len(records) == judged {
				_ = app.SleepUntil(ctx, time.Now().Add(5*time.Millisecond))
				continue
			}
			judged = len(records)
			var verdicts []stored.Verdict
			for _, r := range records {
				for _, d := range stream.Decode(stream.Record{Data: r.Data, ArrivedAt: *r.ApproximateArrivalTimestamp}) {
					v := verdict(d)
					if v.EventID, v.Digest, v.ArrivedAt = d.EventID, d.Digest, *r.ApproximateArrivalTimestamp; v.Verdict != "" {
						verdicts = append(verdicts, v)
					}
				}
			}
			if err := store.WriteVerdicts(ctx, verdicts, nil); ctx.Err() == nil { // the test may have ended
				assert.NoError(t, err)
			}
		}
	}()
}

func TestEventsSendWait(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	s := clitest.NewStream(t)
	judge(t, s, store, func(d stream.Decoded) stored.Verdict {
		switch {
		case d.Fault != nil:
			return stored.Verdict{Verdict: stored.QuarantinedVerdict, Reason: d.Fault.Reason}
		case d.Event.EventType == "view":
			return stored.Verdict{Verdict: stored.Ignored, Reason: "unknown_item"}
		case d.Event.EventType == "lost":
			return stored.Verdict{}
		}
		return stored.Verdict{Verdict: stored.Folded, Stage: "session"}
	})
	report := func(r clitest.Result) (out events.SendReport) {
		require.NoError(t, json.Unmarshal([]byte(r.Out), &out), r.Err)
		return out
	}
	t.Run("it prints each verdict and the time until it", func(t *testing.T) {
		r := clitest.Run(t.Context(), twoClicks, "events", "send", "-", "--wait", "-o", "json")
		require.Zero(t, r.Code, r.Err)
		got := report(r)
		require.Len(t, got.Verdicts, 2)
		assert.Equal(t, apiclient.VerdictCount{Verdict: "folded", Events: 1}, got.Verdicts[0].VerdictCount)
		assert.Equal(t, "unknown_item", got.Verdicts[1].Reason)
		require.NotNil(t, got.Latency)
		assert.Greater(t, got.Latency.P99, 0.0)
		assert.Zero(t, got.Missing+got.Earlier)
	})
	t.Run("it does not count the time of an event sent before", func(t *testing.T) {
		got := report(clitest.Run(t.Context(), twoClicks, "events", "send", "-", "--wait", "-o", "json"))
		assert.Equal(t, 2, got.Earlier)
		assert.Nil(t, got.Latency)
	})
	t.Run("it fails if one has no verdict in time", func(t *testing.T) {
		r := clitest.Run(t.Context(), twoClicks+`{"user_id":"u","item_id":"i","event_type":"lost","occurred_at":"2026-01-02T03:04:05Z"}`,
			"events", "send", "-", "--wait", "--timeout", "250ms", "-q")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "of 3 events 1 have no verdict")
		assert.Contains(t, r.Out, "missing")
	})
	t.Run("it fails if one was quarantined", func(t *testing.T) {
		r := clitest.Run(t.Context(), `{"event_id":"e1","user_id":"u"}`+"\nnonsense\n", "events", "send", "-", "--wait", "--raw", "-q")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "1 were quarantined (see `recflow quarantine list`), 1 cannot have a verdict")
		assert.Contains(t, r.Out, "missing_field")
	})
	t.Run("it waits for every event of a record", func(t *testing.T) {
		first := `{"event_id":"p1","user_id":"u","item_id":"i","event_type":"click","occurred_at":"2026-01-02T03:04:05Z"}`
		r := clitest.Run(t.Context(), "["+first+","+strings.Replace(first, "p1", "p2", 1)+"]\n", "events", "send", "-", "--wait", "--raw", "-q", "-o", "json")
		require.Zero(t, r.Code, r.Err)
		got := report(r)
		assert.EqualValues(t, 1, got.Sent)
		require.Len(t, got.Verdicts, 1)
		assert.EqualValues(t, 2, got.Verdicts[0].Events)
	})
	t.Run("it requests many verdicts in parts", func(t *testing.T) {
		var lines strings.Builder
		const n = 2*apiclient.MaxEventKeys + 7
		for i := range n {
			fmt.Fprintf(&lines, `{"user_id":"u%d","item_id":"i","occurred_at":"2026-01-02T03:04:05Z"}`+"\n", i)
		}
		r := clitest.Run(t.Context(), lines.String(), "events", "send", "-", "--wait", "-q", "-o", "json")
		require.Zero(t, r.Code, r.Err)
		got := report(r)
		assert.EqualValues(t, n, got.Verdicts[0].Events)
		assert.Zero(t, got.Missing)
	})
	t.Run("it reports an unreachable API after the timeout", func(t *testing.T) {
		t.Setenv("RECFLOW_API_URL", "http://127.0.0.1:1")
		r := clitest.Run(t.Context(), twoClicks, "events", "send", "-", "--wait", "--timeout", "250ms", "-q")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "of 2 events 2 have no verdict")
		assert.Contains(t, r.Err, "the API at http://127.0.0.1:1 is unreachable")
	})
}

func TestEventsGenerate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,item,ts\nu,c,2017-12-03T00:00:00.3\nu,a,2017-12-01\nu,b,2017-12-03\nv,d,2017-12-03T00:00:00.1\n"), 0o600))
	t.Run("it sends the later events, oldest first, with the ids of an import", func(t *testing.T) {
		s := clitest.NewStream(t)
		r := clitest.Run(t.Context(), "", "events", "generate", path, "--from", "2017-12-02", "--speed", "1", "-o", "json", "-q")
		require.Zero(t, r.Code, r.Err)
		sent := onStream(t, s)
		require.Len(t, sent["u"], 2)
		assert.Equal(t, []string{"b", "c"}, []string{sent["u"][0].ItemID, sent["u"][1].ItemID})
		var report events.SendReport
		require.NoError(t, json.Unmarshal([]byte(r.Out), &report))
		assert.InDelta(t, 0.3, report.Seconds, 0.15, "with the original intervals")

		code, imported, _ := clitest.Import(t, "", path, "--dry-run")
		require.Zero(t, code)
		assert.Equal(t, imported.Files[0].SampleEvents[2].EventID, sent["u"][0].EventID)
	})
	t.Run("it writes them to a file that can be sent", func(t *testing.T) {
		s := clitest.NewStream(t)
		out := filepath.Join(t.TempDir(), "later.jsonl")
		r := clitest.Run(t.Context(), "", "events", "generate", path, "--from", "2017-12-02", "--limit", "2", "--out", out)
		require.Zero(t, r.Code, r.Err)
		require.Empty(t, s.Records("events"))
		require.Zero(t, clitest.Run(t.Context(), "", "events", "send", out).Code)
		assert.Equal(t, "d", onStream(t, s)["v"][0].ItemID)
		assert.Len(t, onStream(t, s)["u"], 1)
	})
	t.Run("it requires a start if none is known", func(t *testing.T) {
		clitest.NewStream(t)
		assert.Contains(t, clitest.Run(t.Context(), "", "events", "generate", path).Err, "set the start with --from")
	})
}
