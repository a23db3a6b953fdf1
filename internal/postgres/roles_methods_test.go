package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// rolesBundle is a database with component users and some data of every kind.
type rolesBundle struct {
	url     string
	owner   *postgrestest.Store // has all privileges
	live    recsys.Version
	earlier recsys.Version // ready, previously live
	n       int            // counter for unique names
}

// smallGraph gives versions an index.
var smallGraph = recsys.Search{Method: recsys.HNSW, M: 8, EFConstruction: 32, EFSearch: 100}

func newRoles(t *testing.T) *rolesBundle {
	t.Helper()
	b := &rolesBundle{url: postgrestest.URL(t)}
	postgrestest.Grant(t, b.url)
	b.owner = postgrestest.Open(t, b.url)
	// as the worker does: the creator owns what it creates
	loader := postgrestest.Open(t, postgrestest.URLAs(t, b.url, postgres.RoleLoader))
	b.earlier = postgrestest.Build(t, loader, postgrestest.Fixture{RunID: "first", Items: 60, Users: 30, Search: smallGraph})
	b.live = postgrestest.Build(t, loader, postgrestest.Fixture{RunID: "second", Items: 60, Users: 30, Search: smallGraph})
	postgrestest.Promote(t, b.owner, b.earlier.ID)
	postgrestest.Promote(t, b.owner, b.live.ID)
	return b
}

// name returns a new unique name.
func (b *rolesBundle) name() string { b.n++; return fmt.Sprintf("n%d", b.n) }

// another returns a new version created by the worker.
func (b *rolesBundle) another(t *testing.T, loading bool) recsys.Version {
	loader := postgrestest.Open(t, postgrestest.URLAs(t, b.url, postgres.RoleLoader))
	return postgrestest.Build(t, loader, postgrestest.Fixture{RunID: b.name(), Items: 20, Users: 20, Loading: loading})
}

// backfill returns a pending backfill of one window.
func (b *rolesBundle) backfill(t *testing.T) backfill.Backfill {
	t.Helper()
	b.n++
	n := postgrestest.AsOf(t, b.name(), b.n, b.n+1)
	n.Parameters = []byte(n.ID)
	made, _, err := b.owner.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	return made
}

// running returns a backfill whose window is running.
func (b *rolesBundle) running(t *testing.T) (backfill.Backfill, backfill.Window) {
	t.Helper()
	made := b.backfill(t)
	_, err := b.owner.StartBackfill(t.Context(), made.ID, 1, "run")
	require.NoError(t, err)
	window := made.Windows[0]
	window.Attempt, window.WorkflowID = 1, "w"
	_, err = b.owner.StartWindow(t.Context(), made.ID, window)
	require.NoError(t, err)
	return made, window
}

func (b *rolesBundle) failed(t *testing.T) backfill.Backfill {
	t.Helper()
	made, _ := b.running(t)
	_, err := b.owner.EndBackfill(t.Context(), made.ID, 1, "failed")
	require.NoError(t, err)
	return made
}

func (b *rolesBundle) token(t *testing.T) (ledger.Token, string) {
	t.Helper()
	key := b.name()
	made, err := b.owner.CreateToken(t.Context(), ledger.NewToken{Token: ledger.Token{Name: key, Scopes: []string{"read"}, CreatedBy: "t"}, Key: key})
	require.NoError(t, err)
	return made, key
}

func (b *rolesBundle) event() recsys.Event {
	return recsys.Event{EventID: b.name(), UserID: "u00001", ItemID: "i1", EventType: recsys.Click, OccurredAt: time.Now().Add(-time.Minute)}
}

type storeCall func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error

// methods calls each method that a component uses, with data for which it has
// work to do.
var methods = map[string]storeCall{
	"LoadingVersions": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LoadingVersions(t.Context()))
	},
	"AuditEntries": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.AuditEntries(t.Context(), ledger.AuditFilter{}, 10))
	},
	"Audited": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Audited(t.Context(), ledger.Audit{Actor: "a", Action: "a"}, func(*postgres.DB) error { return nil })
	},
	"OverridesSince": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.OverridesSince(t.Context(), recsys.OverrideRevision{}))
	},
	"Backfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Backfill(t.Context(), b.failed(t).ID))
	},
	"RecordHeartbeat": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.RecordHeartbeat(t.Context(), b.backfill(t).ID, 1, "run")
	},
	"ApplyCatalog": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.ApplyCatalog(t.Context(), func(yield func(recsys.CatalogRow, error) bool) {
			yield(recsys.CatalogRow{ItemID: "i000001"}, nil)
		}, func(int64) {}))
	},
	"BackfillRevision": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.BackfillRevision(t.Context(), b.backfill(t).ID))
	},
	"Backfills": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Backfills(t.Context(), nil, 10))
	},
	"BadVectors": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.BadVectors(t.Context(), b.live)
		return err
	},
	"BuildIndexes": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		v := postgrestest.Load(t, s, postgrestest.Fixture{RunID: b.name(), Items: 60, Users: 20, Search: smallGraph})
		claim, err := s.Claim(t.Context(), v.ID, versions.IndexSlot)
		require.NoError(t, err)
		return s.BuildIndexes(t.Context(), claim, func(versions.IndexProgress) {})
	},
	"CancelBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.CancelBackfill(t.Context(), b.backfill(t).ID))
	},
	"ChangeItem": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		no, item := false, b.name()
		_, err := s.ChangeItem(t.Context(), item, embeddings.ItemChange{Available: &no})
		if err != nil {
			return err
		}
		return second(s.ChangeItem(t.Context(), item, embeddings.ItemChange{Title: &item}))
	},
	"CheckSchema": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error { return s.CheckSchema(t.Context()) },
	"Claim": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		v := b.another(t, true)
		for range 2 {
			if _, err := s.Claim(t.Context(), v.ID, "part"); err != nil {
				return err
			}
		}
		return nil
	},
	"CompareCatalogs": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.CompareCatalogs(t.Context(), b.earlier, b.live)
		return err
	},
	"CopyFile": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		c, err := s.Claim(t.Context(), b.another(t, true).ID, "file")
		if err != nil {
			return err
		}
		return second(s.CopyFile(t.Context(), c, trainingruntest.Open(t, 16, recsys.ItemsFile, trainingruntest.Items(1000, 5, 16))))
	},
	"CountRows": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, _, err := s.CountRows(t.Context(), b.live)
		return err
	},
	"CountUsers": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.CountUsers(t.Context(), b.live))
	},
	"CreateBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		b.failed(t) // earlier windows exist
		_, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, b.name(), 100+b.n, 102+b.n))
		if err == nil {
			_, _, err = s.CreateBackfill(t.Context(), postgrestest.Lists(t, b.name(), b.live.ID, 1, backfill.ListSettings{K: 1}))
		}
		return err
	},
	"CreateToken": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		key := b.name()
		return second(s.CreateToken(t.Context(), ledger.NewToken{Token: ledger.Token{Name: key, Scopes: []string{"read"}}, Key: key}))
	},
	"CreateVersion": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		m, _ := postgrestest.Generate(t, postgrestest.Fixture{RunID: b.name(), Items: 20, Users: 20})
		for range 2 { // the second attempt takes it over
			if _, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: m}); err != nil {
				return err
			}
		}
		return nil
	},
	"DecideWindows": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.DecideWindows(t.Context(), backfill.AsOf, backfill.RerunMissing, []byte("p"), b.failed(t).Windows)
	},
	"Delete": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Delete(t.Context(), versions.Deletion{Version: b.another(t, false).ID})
	},
	"DropCoveredEvents": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		old := b.event()
		old.OccurredAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		postgrestest.Stream(t, b.owner, old)
		return second(s.DropCoveredEvents(t.Context(), time.Now().Add(time.Hour)))
	},
	"DropVerdicts": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		require.NoError(t, b.owner.WriteVerdicts(t.Context(), []events.Verdict{{EventID: b.name(), Verdict: events.Folded}}, nil))
		return second(s.DropVerdicts(t.Context(), time.Now().Add(time.Hour)))
	},
	"EachItem": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.EachItem(t.Context(), b.live, func(recsys.Item, []float32) error { return nil })
	},
	"EndBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		running, _ := b.running(t)
		return second(s.EndBackfill(t.Context(), running.ID, 1, "failed"))
	},
	"EndWindow": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		running, window := b.running(t)
		window.State, window.Lists = backfill.Succeeded, &backfill.WrittenLists{}
		return s.EndWindow(t.Context(), running.ID, window)
	},
	"EvaluationStats": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.EvaluationStats(t.Context()))
	},
	"Exclusive": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Audited(t.Context(), ledger.Audit{Actor: "a", Action: "a"}, func(tx *postgres.DB) error { return tx.Exclusive(t.Context(), "x") })
	},
	"Fail": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Fail(t.Context(), b.another(t, true).ID, "failed")
	},
	"FindBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return found(second(s.FindBackfill(t.Context(), "k", nil)))
	},
	"LiveChanges": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LiveChanges(t.Context(), 10))
	},
	"LiveChangesTo": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LiveChangesTo(t.Context(), b.live.ID, 10))
	},
	"Gates": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Gates(t.Context(), b.live.ID))
	},
	"Health": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error { return second(s.Health(t.Context())) },
	"LockVersion": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LockVersion(t.Context(), b.live.ID))
	},
	"LockLiveVersion": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LockLiveVersion(t.Context()))
	},
	"HoldoutUsers": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.HoldoutUsers(t.Context(), b.live, func(string, []recsys.Event, []recsys.Event) error { return nil })
	},
	"Horizon": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error { return second(s.Horizon(t.Context())) },
	"Item": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.Item(t.Context(), b.live, "no such item")
		return found(err)
	},
	"ItemState": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return found(second(s.ItemState(t.Context(), "no such item")))
	},
	"ItemVectors": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.ItemVectors(t.Context(), b.live, []string{"x"}))
	},
	"Live": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error { return second(s.Live(t.Context())) },
	"LivePointer": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LivePointer(t.Context()))
	},
	"LiveSince": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.LiveSince(t.Context()))
	},
	"Manifest": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Manifest(t.Context(), b.live.ID))
	},
	"MarkReady": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.MarkReady(t.Context(), b.another(t, true).ID, []recsys.GateResult{{Gate: recsys.GateRows, Passed: true}})
	},
	"MarkRefused": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.MarkRefused(t.Context(), b.another(t, true).ID, []recsys.GateResult{{Gate: recsys.GateRows}})
	},
	"Nearest": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Nearest(t.Context(), b.live, recsys.Query{Vector: make([]float32, b.live.Dimension), K: 3, Category: "c"}))
	},
	"NearestEach": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.NearestEach(t.Context(), b.live, []recsys.Query{{Vector: make([]float32, b.live.Dimension), K: 3}}, func(int, []recsys.Hit) {})
	},
	"NearestMany": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.NearestMany(t.Context(), b.live, []recsys.Query{{Vector: make([]float32, b.live.Dimension), K: 3, Exact: true}}))
	},
	"NewUserIDs": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.NewUserIDs(t.Context(), b.live, backfill.WindowHashes(0, 1)))
	},
	"MarkReplayed": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, err := s.MarkReplayed(t.Context(), b.name(), 1)
		return err
	},
	"Replayed": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, err := s.Replayed(t.Context(), []string{"key"})
		return err
	},
	"Outcomes": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.Outcomes(t.Context(), "e")
		return err
	},
	"PastLists": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.PastLists(t.Context(), 10))
	},
	"PastRuns": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.PastRuns(t.Context(), 10))
	},
	"Pin": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Pin(t.Context(), b.earlier.ID, true)
	},
	"Popular": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Popular(t.Context(), b.live, recsys.Query{K: 3}))
	},
	"PopularBaseline": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.PopularBaseline(t.Context(), b.live, "0000000000000000", 3))
	},
	"Popularity": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.Popularity(t.Context(), b.live, "no such item")
		return found(err)
	},
	"Promote": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Promote(t.Context(), versions.Promotion{Version: b.another(t, false).ID, Actor: "a"}))
	},
	"Prune": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		v := b.another(t, false)
		require.NoError(t, b.owner.Delete(t.Context(), versions.Deletion{Version: v.ID}))
		dropped, err := s.Prune(t.Context(), versions.PruneOptions{})
		require.Contains(t, dropped, v.ID)
		return err
	},
	"Record": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Record(t.Context(), ledger.Audit{Actor: "a", Action: "a", Outcome: ledger.NotDone})
	},
	"RecordLists": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		running, window := b.running(t)
		return s.RecordLists(t.Context(), running.ID, window.Index, window.Attempt, 1)
	},
	"RefuseOverlap": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.RefuseOverlap(t.Context(), "x", backfill.AsOf, postgrestest.Day(1), postgrestest.Day(2))
	},
	"RetryBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.RetryBackfill(t.Context(), b.failed(t).ID))
	},
	"RevokeToken": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		made, _ := b.token(t)
		return second(s.RevokeToken(t.Context(), made.ID))
	},
	"Rollback": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		postgrestest.Promote(t, b.owner, b.another(t, false).ID)
		return second(s.Rollback(t.Context(), "a", "worse"))
	},
	"SampleUsers": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.SampleUsers(t.Context(), b.live, 3, ""))
	},
	"Size": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Size(t.Context(), b.live.ID))
	},
	"SkipWindow": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.SkipWindow(t.Context(), b.backfill(t).ID, 0, backfill.NoEvents))
	},
	"StaleBackfills": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.StaleBackfills(t.Context(), time.Hour, 10))
	},
	"StartBackfill": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.StartBackfill(t.Context(), b.backfill(t).ID, 1, "run"))
	},
	"StartWindow": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		made := b.backfill(t)
		window := made.Windows[0]
		window.Attempt, window.WorkflowID = 1, "w"
		return second(s.StartWindow(t.Context(), made.ID, window))
	},
	"StoreEvents": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		e := b.event()
		for range 2 {
			if _, err := s.StoreEvents(t.Context(), []events.StreamEvent{{Event: e, Digest: e.Digest()}}); err != nil {
				return err
			}
		}
		return nil
	},
	"StartTraining": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.StartTraining(t.Context(), b.name(), versions.Owner{}))
	},
	"RunningTrainings": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.RunningTrainings(t.Context()))
	},
	"EndTraining": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.EndTraining(t.Context(), b.name())
	},
	"Baseline": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Baseline(t.Context()))
	},
	"CountSince": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.CountSince(t.Context(), recsys.Baseline{}, time.Now()))
	},
	"EachSince": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.EachSince(t.Context(), recsys.Baseline{}, time.Now(), func(recsys.Event) error { return nil })
	},
	"DropAudit": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error { return s.DropAudit(t.Context()) },
	"StreamStats": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.StreamStats(t.Context(), time.Hour))
	},
	"StreamedSet": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.StreamedSet(t.Context(), b.live.Coverage, recsys.Baseline{}))
	},
	"Trust": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.Trust(t.Context(), time.Now())
	},
	"Titles": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Titles(t.Context(), b.live, []string{"x"}))
	},
	"TokenByKey": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, key := b.token(t)
		_, _, err := s.TokenByKey(t.Context(), key)
		return err
	},
	"Tokens": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Tokens(t.Context(), 0, 10))
	},
	"User": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return found(second(s.User(t.Context(), b.live, "stranger")))
	},
	"UserIDs": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.UserIDs(t.Context(), b.live, backfill.WindowHashes(0, 1), "", 10))
	},
	"UserStates": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.UserStates(t.Context(), b.live, []string{"u00001"})
		return err
	},
	"Users": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Users(t.Context(), b.live, []string{"u00001"}))
	},
	"Verdicts": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Verdicts(t.Context(), []events.VerdictKey{{EventID: "e"}}))
	},
	"Version": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.Version(t.Context(), b.live.ID))
	},
	"VersionByRun": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.VersionByRun(t.Context(), "first"))
	},
	"VersionsBefore": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.VersionsBefore(t.Context(), 0, 10))
	},
	"ReaderMemory": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		_, _, err := s.ReaderMemory(t.Context())
		return err
	},
	"ReportReader": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		r := versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1}
		return errors.Join(s.ReportReader(t.Context(), r), s.ReportReader(t.Context(), r))
	},
	"PrepareReaders": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return second(s.PrepareReaders(t.Context(), b.earlier.ID, 0))
	},
	"DropReaders": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.DropReaders(t.Context())
	},
	"WriteVerdicts": func(t *testing.T, b *rolesBundle, s *postgrestest.Store) error {
		return s.WriteVerdicts(t.Context(), []events.Verdict{{EventID: b.name(), Verdict: events.Folded}}, []events.Evaluation{{EventID: b.name()}})
	},
}

// second returns the error of two results.
func second[T any](_ T, err error) error { return err }

// found ignores recsys.ErrNotFound: the privilege to look was enough.
func found(err error) error {
	if errors.Is(err, recsys.ErrNotFound) {
		return nil
	}
	return err
}
