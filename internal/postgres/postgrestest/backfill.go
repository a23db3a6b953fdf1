package postgrestest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// Day returns a day of January 2025.
func Day(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }

// AsOf returns a backfill over days of January, one window per day.
func AsOf(t testing.TB, id string, from, to int) ledger.NewBackfill {
	t.Helper()
	cut, err := backfill.Cut(backfill.AsOf, Day(from), Day(to), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%d %d", from, to))
	return ledger.NewBackfill{
		Backfill: backfill.Backfill{
			ID: id, Kind: backfill.AsOf, From: Day(from), To: Day(to), StepSeconds: 86400, MaxParallel: 2, Rerun: backfill.RerunMissing,
			Request: json.RawMessage(`{}`), Actor: "test", WorkflowID: "backfill-" + id, Windows: cut,
		},
		Parameters: []byte("p"), RequestDigest: digest[:],
	}
}
