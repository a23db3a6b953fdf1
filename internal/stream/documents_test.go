package stream_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

var updateSamples = flag.Bool("update-samples", false, "write the sample documents in testdata")

// samples are documents as they are delivered, a full and a minimal one of each
// kind. Spark tests the tables in docs/athena with them.
func samples() map[string][]any {
	at := time.Date(2025, 3, 1, 5, 59, 59, 123456000, time.UTC)
	value := 4.5
	full := recsys.Event{
		EventID: "e-1", UserID: `ü "quoted" <&> \`, ItemID: "i\u20281", EventType: recsys.Rating, Value: &value,
		SessionID: "s-1", RecommendationID: "r-1", OccurredAt: at, StoredAt: at.Add(time.Second),
	}
	bare := recsys.Event{EventID: "e-2", UserID: "u-2", ItemID: "2", EventType: recsys.Click, OccurredAt: at.Truncate(time.Second), StoredAt: at}
	list := stream.Recommendation{
		RecommendationID: "r-1", UserID: full.UserID, Version: 42, ConfigHash: "c0ffee", Stage: "personalized", EventsNotFolded: 12,
		Items: []stream.Item{
			{ItemID: full.ItemID, Rank: 1, Score: 0.8125, Stage: "personalized"},
			{ItemID: "2", Rank: 2, Score: -1.5e-07, Stage: "personalized"},
		},
		EventID: "e-1", EventOccurredAt: at, CreatedAt: at.Add(1500 * time.Millisecond), LatencyMS: 1500,
	}
	empty := list
	empty.RecommendationID, empty.Stage, empty.EventsNotFolded, empty.Items, empty.LatencyMS = "r-2", "popular", 0, []stream.Item{}, 0
	r := stream.Record{
		Data: []byte("\xff{\"event_id\":\n"), Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/recflow-events",
		Shard: "shardId-000000000001", SequenceNumber: "49590338271490256608559692538361571095921575989136588898", ArrivedAt: at,
	}
	small := stream.Quarantine(r, stream.Decode(r)[0], at.Add(time.Second))
	small.EventID, small.SubSequence = "e-3", 7
	large := small
	large.EventID, large.Raw, large.RawKey, large.RawBytes = "", nil, "quarantine-payloads/"+small.QuarantineID, 5_000_000_000
	return map[string][]any{
		"recommendations": {list, empty},
		"events":          {json.RawMessage(stream.EncodeEvent(full)), json.RawMessage(stream.EncodeEvent(bare))},
		"quarantine":      {small, large},
	}
}

func TestSample_documents_are_up_to_date(t *testing.T) {
	t.Parallel()
	for name, documents := range samples() {
		var lines bytes.Buffer
		e := json.NewEncoder(&lines) // a document and a newline, as the function sends it
		e.SetEscapeHTML(false)
		for _, d := range documents {
			require.NoError(t, e.Encode(d))
		}
		file := filepath.Join("testdata", name+".json")
		if *updateSamples {
			require.NoError(t, os.WriteFile(file, lines.Bytes(), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), lines.String(), "run with -update-samples if the change is intended")
	}
}

func TestSample_documents_have_every_field(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]any{
		"recommendations": stream.Recommendation{}, "events": recsys.Event{}, "quarantine": stream.Quarantined{},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		require.NoError(t, err)
		var fields, found []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(document)) {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, field)
		}
		all := map[string]any{}
		for line := range strings.Lines(string(text)) {
			require.NoError(t, json.Unmarshal([]byte(line), &all))
		}
		for field := range all {
			found = append(found, field)
		}
		assert.ElementsMatch(t, fields, found, name)
	}
}
