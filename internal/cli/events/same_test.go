package events_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// TestSameRow_gives_the_same_event_on_every_way_in writes the same rows as every
// format that has them, and reads them on every way.
func TestSameRow_gives_the_same_event_on_every_way_in(t *testing.T) {
	clitest.NewSystem(t)
	s := clitest.NewStream(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	seen := map[string]bool{}
	added := func() (events []recsys.Event) { // since the last call
		for _, r := range s.Records("events") {
			if number := *r.SequenceNumber; !seen[number] {
				seen[number] = true
				d := stream.Decode(stream.Record{Data: r.Data, ArrivedAt: *r.ApproximateArrivalTimestamp})[0]
				require.Nil(t, d.Fault)
				events = append(events, d.Event)
			}
		}
		slices.SortFunc(events, func(a, b recsys.Event) int { return strings.Compare(a.EventID, b.EventID) })
		return events
	}
	at := func(text string) time.Time {
		out, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return out
	}
	value := func(v float64) *float64 { return &v }
	for name, want := range map[string][]recsys.Event{
		"numbers as ids": {
			{EventID: "1", UserID: "18446744073709551615", ItemID: "99999999999999999999999999999999999999", EventType: "rating", Value: value(4.5), OccurredAt: at("2026-01-13T10:15:00.123456Z")},
			{EventID: "2", UserID: "101", ItemID: "7", EventType: "purchase", Value: value(-2), OccurredAt: at("2026-01-13T10:15:00Z")},
			{EventID: "3", UserID: "9007199254740993", ItemID: "9007199254740993", EventType: "view", OccurredAt: at("1971-01-01T00:00:00Z")},
		},
		"texts as ids": {
			{EventID: "a/b+c==", UserID: `say "hi", ü|;`, ItemID: "007", EventType: "add to cart", Value: value(0.1), SessionID: "s 1", OccurredAt: at("2026-01-13T10:15:00Z")},
			{EventID: "b", UserID: "auth0|5f", ItemID: `C:\new\"x"`, EventType: "Click", RecommendationID: "r", OccurredAt: at("2026-01-13T23:59:59.999Z")},
			{EventID: "c", UserID: "1e3", ItemID: "12.0.1", EventType: "click", OccurredAt: at("2026-01-13T10:15:00Z")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			numbers := name == "numbers as ids"
			for file, content := range map[string][]byte{
				"rows.csv": csvOf(t, want), "rows.jsonl": jsonOf(t, want, numbers, "", "\n", "\n"), "rows.json": jsonOf(t, want, numbers, "[", ",\n", "]"),
				"rows.parquet": parquetOf(t, want, numbers),
			} {
				path := filepath.Join(t.TempDir(), file)
				require.NoError(t, os.WriteFile(path, content, 0o600))
				code, imported, errs := clitest.Import(t, "", path, "--dry-run")
				require.Zero(t, code, "%s: %s", file, errs)
				assert.Equal(t, want, imported.Files[0].SampleEvents, "import %s", file)

				r := clitest.Run(t.Context(), "", "events", "send", path, "-q")
				require.Zero(t, r.Code, "%s: %s", file, r.Err)
				assert.Equal(t, want, added(), "send %s", file)
			}
			events := make([]apiclient.NewEvent, len(want))
			for i, e := range want {
				events[i] = apiclient.NewEvent{EventID: e.EventID, UserID: e.UserID, ItemID: e.ItemID, EventType: e.EventType, Value: e.Value, SessionID: e.SessionID, RecommendationID: e.RecommendationID, OccurredAt: e.OccurredAt}
			}
			api := apiclient.New(apiclient.Options{URL: os.Getenv("RECFLOW_API_URL")})
			sent, err := api.SendEvents(t.Context(), events, "")
			require.NoError(t, err)
			require.Equal(t, len(want), sent.Accepted)
			assert.Equal(t, want, added(), "POST /events")

			var decoded []recsys.Event
			for _, d := range stream.Decode(stream.Record{Data: jsonOf(t, want, false, "[", ",", "]"), ArrivedAt: time.Now()}) {
				require.Nil(t, d.Fault)
				decoded = append(decoded, d.Event)
			}
			assert.Equal(t, want, decoded, "a record of the stream")
		})
	}
}

func csvOf(t *testing.T, events []recsys.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	require.NoError(t, w.Write([]string{"event_id", "user_id", "item_id", "event_type", "value", "session_id", "recommendation_id", "occurred_at"}))
	for _, e := range events {
		value := ""
		if e.Value != nil {
			value = strconv.FormatFloat(*e.Value, 'f', -1, 64)
		}
		require.NoError(t, w.Write([]string{e.EventID, e.UserID, e.ItemID, e.EventType, value, e.SessionID, e.RecommendationID, e.OccurredAt.Format(time.RFC3339Nano)}))
	}
	w.Flush()
	return b.Bytes()
}

func jsonOf(t *testing.T, events []recsys.Event, numbers bool, begin, between, end string) []byte {
	t.Helper()
	objects := make([]string, len(events))
	for i, e := range events {
		objects[i] = string(stream.EncodeEvent(e))
		for _, id := range []string{e.EventID, e.UserID, e.ItemID} {
			if numbers {
				objects[i] = strings.ReplaceAll(objects[i], fmt.Sprintf("%q", id), id)
			}
		}
	}
	return []byte(begin + strings.Join(objects, between) + end)
}

// parquetOf writes ids that are numbers as an unsigned integer and a decimal.
func parquetOf(t *testing.T, events []recsys.Event, numbers bool) []byte {
	t.Helper()
	optional := parquet.Optional(parquet.String())
	columns := parquet.Group{
		"event_id": parquet.String(), "user_id": parquet.String(), "item_id": parquet.String(), "event_type": parquet.String(), "occurred_at": parquet.Timestamp(parquet.Microsecond),
		"value": parquet.Optional(parquet.Leaf(parquet.DoubleType)), "session_id": optional, "recommendation_id": optional,
	}
	if numbers {
		columns["user_id"], columns["item_id"] = parquet.Uint(64), parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16))
	}
	schema := parquet.NewSchema("rows", columns)
	var b bytes.Buffer
	w := parquet.NewWriter(&b, schema)
	for _, e := range events {
		cells := map[string]any{"event_id": e.EventID, "user_id": e.UserID, "item_id": e.ItemID, "event_type": e.EventType, "occurred_at": e.OccurredAt.UnixMicro()}
		if e.Value != nil {
			cells["value"] = *e.Value
		}
		for name, text := range map[string]string{"session_id": e.SessionID, "recommendation_id": e.RecommendationID} {
			if text != "" {
				cells[name] = text
			}
		}
		if numbers {
			user, err := strconv.ParseUint(e.UserID, 10, 64)
			require.NoError(t, err)
			item, ok := new(big.Int).SetString(e.ItemID, 10)
			require.True(t, ok)
			cells["user_id"], cells["item_id"] = user, item.FillBytes(make([]byte, 16))
		}
		var row parquet.Row
		for i, path := range schema.Columns() {
			level := 0
			v, there := cells[path[0]]
			if there && columns[path[0]].Optional() {
				level = 1
			}
			row = append(row, parquet.ValueOf(v).Level(0, level, i))
		}
		_, err := w.WriteRows([]parquet.Row{row})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}
