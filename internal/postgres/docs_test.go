package postgres_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// statement returns the only SQL statement on a page, unchanged.
func statement(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	require.NoError(t, err)
	blocks := sqlBlock.FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 1, page)
	return blocks[0][1]
}

// An operator runs these directly, when deliveries were lost or to size a disk.
func TestDocs_have_SQL_that_works(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	s := postgrestest.Open(t, url)
	value := 4.5
	occurred := time.Date(2026, 1, 31, 5, 0, 0, 123_456_000, time.UTC)
	streamed := []recsys.Event{
		{EventID: "e1", UserID: `ü "quoted" \`, ItemID: "i1", EventType: recsys.Rating, Value: &value, SessionID: "s", RecommendationID: "r", OccurredAt: occurred},
		{EventID: "e2", UserID: "u", ItemID: "i2", EventType: recsys.Click, OccurredAt: occurred},
	}
	kept := make([]events.StreamEvent, len(streamed))
	for i, e := range streamed {
		kept[i] = events.StreamEvent{Event: e, Digest: e.Digest()}
	}
	_, err := s.StoreEvents(t.Context(), kept)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })

	t.Run("it writes lost events as the stream would have delivered them", func(t *testing.T) {
		begin, lost, _ := strings.Cut(statement(t, "runbooks/firehose-failed.md"), ";")
		_, err := conn.Exec(t.Context(), begin)
		require.NoError(t, err)
		lost = regexp.MustCompile(`'2026-\d\d-\d\dT\d\d:00Z'`).ReplaceAllString(lost, "'infinity'")
		lost = strings.Replace(lost, "'infinity'", "'-infinity'", 1)
		rows, err := conn.Query(t.Context(), strings.TrimSuffix(strings.TrimSpace(lost), ";"))
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Len(t, lines, len(streamed))
		for _, line := range lines {
			var e recsys.Event
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			require.False(t, e.StoredAt.IsZero())
			require.JSONEq(t, string(stream.EncodeEvent(e)), strings.ReplaceAll(line, "+00:00", "Z"))
			e.StoredAt = time.Time{}
			e.OccurredAt = e.OccurredAt.UTC()
			require.Contains(t, streamed, e)
		}
	})
	t.Run("it shows the size of versions", func(t *testing.T) {
		postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 5})
		var schema, size string
		require.NoError(t, conn.QueryRow(t.Context(), statement(t, "scaling.md")).Scan(&schema, &size))
		require.Equal(t, "v1", schema)
		require.Contains(t, size, "kB")
	})
}
