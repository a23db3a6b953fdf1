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

// Lists returns a backfill of lists of a version.
func Lists(t testing.TB, id string, version int64, windows int, settings backfill.ListSettings) ledger.NewBackfill {
	t.Helper()
	cut, err := backfill.CutLists(windows)
	if err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	b := backfill.Backfill{
		ID: id, Kind: backfill.Lists, Version: version, MaxParallel: 2, Rerun: backfill.RerunAll, Request: request, Actor: "test", Windows: cut,
	}
	b.WorkflowID = backfill.WorkflowID(b, 1)
	digest := sha256.Sum256([]byte(id))
	return ledger.NewBackfill{Backfill: b, Parameters: []byte("p"), RequestDigest: digest[:]}
}
