package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/workflows"
)

// settle waits until everything that was under way has ended without a person, and
// then trains once more.
func (s *soak) settle() {
	began := time.Now()
	s.eventually("every backfill has ended", func() bool {
		page, err := s.api.Backfills(s.t.Context(), "", 100)
		return err == nil && !slices.ContainsFunc(page.Items, func(b apiclient.Backfill) bool { return !b.Over() })
	})
	s.eventually("every event in the stream has a verdict", func() bool { return len(s.withoutVerdict()) == 0 })
	s.eventually("the mapping has no backlog", func() bool {
		status, err := s.mapping()
		return err == nil && status.State == "running" && status.IteratorAgeMS == 0 && status.Counts.Discarded == 0
	})
	s.t.Logf("settled %s after the faults", time.Since(began).Round(time.Millisecond))
	s.recflow(slices.Concat([]string{"refresh", "--wait", "--quiet"}, trainingFlags)...)
	s.count("training after the faults")
	s.check()
}

// withoutVerdict returns the accepted events without a verdict.
func (s *soak) withoutVerdict() (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []events.VerdictKey
	for id := range s.accepted {
		keys = append(keys, events.VerdictKey{EventID: id, Digest: s.sent[id].Digest()})
	}
	verdicts, err := s.store.Verdicts(s.t.Context(), keys)
	require.NoError(s.t, err)
	for _, key := range keys {
		if _, ok := verdicts[key]; !ok {
			missing = append(missing, key.EventID)
		}
	}
	return missing
}

// accountForEvents checks that every accepted event has one verdict, is in the state
// once and in the next training's input, and that only malformed records are in
// quarantine.
func (s *soak) accountForEvents() {
	t := s.t
	stored := s.storedEvents()
	// Maps are read directly: assert.Contains compares all their keys.
	for id := range s.accepted {
		_, ok := stored[id]
		assert.True(t, ok, "an accepted event is not in the state: %s", id)
	}
	for id, digest := range stored {
		e, ok := s.sent[id]
		require.True(t, ok, "an event that was never sent: %s", id)
		assert.Equal(t, e.Digest(), digest)
	}
	require.Zero(t, s.number(`SELECT count(*) FROM (SELECT 1 FROM recflow.event_verdicts GROUP BY event_id HAVING count(*) > 1) AS twice`), "events with two verdicts")
	require.Zero(t, s.number(`SELECT count(*) FROM recflow.event_verdicts WHERE verdict = 'quarantined'`), "valid events in quarantine")
	require.Zero(t, s.number(`SELECT count(*) FROM recflow.event_verdicts WHERE reason = 'list_failed'`), "lists that could not be made")

	delivered := map[string]recsys.Event{}
	eachLine(s.loop, "raw/events/", func(e recsys.Event) {
		if first, twice := delivered[e.EventID]; twice {
			assert.True(t, first.Digest() == e.Digest() && first.StoredAt.Equal(e.StoredAt), "copies of event %s differ", e.EventID)
		}
		delivered[e.EventID] = e
	})
	for id := range stored {
		_, ok := delivered[id]
		assert.True(t, ok, "a stored event does not go to the next training: %s", id)
	}
	require.Len(t, delivered, len(stored), "an event that is not stored is not delivered")

	quarantined := map[string]bool{}
	eachLine(s.loop, "quarantine/", func(q stream.Quarantined) {
		decoded := stream.Decode(stream.Record{Data: q.Raw, ArrivedAt: q.ArrivedAt})
		require.Len(t, decoded, 1)
		require.NotNil(t, decoded[0].Fault, "a valid record is in quarantine: %s", q.Reason)
		quarantined[string(q.Raw)] = true
	})
	for _, data := range s.malformed {
		assert.True(t, quarantined[string(data)], "a malformed record is in quarantine: %.60q", data)
	}
	for o, err := range s.bucket.List(t.Context(), "aws/lambda/") {
		require.NoError(t, err)
		require.Fail(t, "a batch was given up", o.Key)
	}
}

// number returns the number that a statement returns.
func (s *soak) number(sql string) (n int64) {
	conn := postgrestest.Conn(s.t, s.store)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	require.NoError(s.t, conn.QueryRow(s.t.Context(), sql).Scan(&n))
	return n
}

// accountForVersions checks that no version is half loaded or was live without its
// gates, and that no training, lock or statement is left.
func (s *soak) accountForVersions() {
	t := s.t
	require.Zero(t, s.number(`SELECT count(*) FROM recflow.versions WHERE state = 'loading'`), "versions that are still loading")
	require.Zero(t, s.number(`
		SELECT count(*) FROM pg_namespace AS n
		WHERE n.nspname ~ '^v[0-9]+$' AND NOT EXISTS (
			SELECT 1 FROM recflow.versions AS v WHERE n.nspname = 'v' || v.id AND v.state IN ('ready', 'refused'))`), "schemas without a version")
	require.Zero(t, s.number(`
		SELECT count(*) FROM recflow.versions AS v
		WHERE v.state = 'ready' AND NOT EXISTS (SELECT 1 FROM pg_namespace AS n WHERE n.nspname = 'v' || v.id)`), "ready versions without data")
	require.Zero(t, s.number(`
		SELECT count(*) FROM recflow.live_changes AS c
		WHERE (SELECT count(*) FROM recflow.gates AS g WHERE g.version_id = c.version_id AND ((g.result->>'passed')::boolean OR g.result->>'accepted' <> '')) < 7
			OR EXISTS (SELECT 1 FROM recflow.gates AS g WHERE g.version_id = c.version_id AND NOT (g.result->>'passed')::boolean AND coalesce(g.result->>'accepted', '') = '')`),
		"versions that were live without their gates")
	require.Equal(t, int64(1), s.number(`
		SELECT count(*) FROM recflow.live AS l JOIN recflow.live_changes AS c ON c.revision = l.revision AND c.version_id = l.version_id
		WHERE c.revision = (SELECT max(revision) FROM recflow.live_changes) AND c.revision = (SELECT count(*) FROM recflow.live_changes)`), "the live version is the one of the last change")
	s.sweep()
	s.eventually("the sweep has removed the baselines of trainings", func() bool { return s.number(`SELECT count(*) FROM recflow.trainings`) == 0 })
	require.Zero(t, s.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`), "advisory locks")

	vars, err := stack.LoadEnv(s.home)
	require.NoError(t, err)
	trained := map[string]int{}
	for run, err := range awsclient.NewGlue(configOf(t, vars), vars["RECFLOW_GLUE_JOB"]).Runs(t.Context()) {
		require.NoError(t, err)
		require.True(t, run.State.Over(), "the Glue run %s is not over", run.ID)
		trained[run.RunID]++
		s.ended["Glue runs"]++
	}
	for id, n := range trained {
		require.Equal(t, 1, n, "the run %s was trained twice", id)
	}
	require.True(t, s.worked(), "under faults a training and lists succeed, and the live version changes: %v", s.ended)
}

// sweep starts the hourly clean-up now.
func (s *soak) sweep() {
	vars, err := stack.LoadEnv(s.home)
	require.NoError(s.t, err)
	c, err := client.Dial(client.Options{HostPort: vars["RECFLOW_TEMPORAL_ADDRESS"], Namespace: stack.Namespace, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(s.t, err)
	defer c.Close()
	require.NoError(s.t, c.ScheduleClient().GetHandle(s.t.Context(), workflows.SweepSchedule).Trigger(s.t.Context(), client.ScheduleTriggerOptions{}))
}

// accountForLists checks that the lists of every run are complete, or have no
// manifest.
func (s *soak) accountForLists() {
	t := s.t
	manifests := map[string]bool{}
	files := map[string][]string{} // by run
	for o, err := range s.bucket.List(t.Context(), backfill.ListsPrefix) {
		require.NoError(t, err)
		run := runOf(o.Key)
		if o.Key == backfill.ListsManifestKey(run) {
			manifests[run] = true
			continue
		}
		files[run] = append(files[run], o.Key)
	}
	for _, b := range s.allBackfills() {
		if b.Kind != backfill.Lists {
			continue
		}
		run := backfill.ListsRunID(b.Backfill)
		require.Equal(t, b.State == backfill.Succeeded, manifests[run], "lists %s %s have a manifest", b.ID, b.State)
		if !manifests[run] {
			continue
		}
		content, err := s.bucket.Get(t.Context(), backfill.ListsManifestKey(run), 1<<20)
		require.NoError(t, err)
		var m backfill.ListsManifest
		require.NoError(t, json.Unmarshal(content, &m))
		var named []string
		var rows int64
		for _, f := range m.Files {
			named, rows = append(named, f.Key), rows+f.Rows
		}
		require.Equal(t, named, files[run], "the files of the run are those of its manifest")
		require.Equal(t, m.Users, rows)
		require.EqualValues(t, len(s.imported), rows, "every user has a list")
	}
}

func (s *soak) allBackfills() (all []apiclient.Backfill) {
	for cursor := ""; ; {
		page, err := s.api.Backfills(s.t.Context(), cursor, 100)
		require.NoError(s.t, err)
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// runOf returns the run in a key of lists.
func runOf(key string) string {
	key = key[len(backfill.ListsPrefix)+len("run="):]
	return key[:slices.Index([]byte(key), '/')]
}

// accountForAnswers checks that lists were never empty, that no request failed except
// with 503 and Retry-After or while the API was down, and that every list came from a
// version that was promoted.
func (s *soak) accountForAnswers() {
	t := s.t
	live := map[int64]bool{}
	rows, err := postgrestest.Conn(t, s.store).Query(t.Context(), "SELECT version_id FROM recflow.live_changes")
	require.NoError(t, err)
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&version}, func() error {
		live[version] = true
		return nil
	})
	require.NoError(t, err)
	require.LessOrEqual(t, s.memory, int64(functionMemory))
	for _, a := range s.answers {
		var p *apiclient.Problem
		switch {
		case a.err == nil:
			assert.Positive(t, a.items, "an empty list at %s", a.at.UTC().Format(time.TimeOnly))
			assert.True(t, live[a.version], "a list from version %d, which was never promoted", a.version)
		case errors.As(a.err, &p):
			assert.True(t, p.Status == http.StatusServiceUnavailable && p.RetryAfter > 0, "status %d, code %s at %s: %v", p.Status, p.Code, a.at.UTC().Format(time.TimeOnly), a.err)
			s.ended["lists read: 503 "+p.Code]++
		default:
			assert.True(t, s.apiWasDown(a), "no answer at %s after %s: %v", a.at.UTC().Format(time.TimeOnly), a.took, a.err)
			s.ended["lists read: no answer"]++
		}
	}
}

// apiWasDown reports whether the API was killed or stopped while a request was under
// way.
func (s *soak) apiWasDown(a answer) bool {
	return slices.ContainsFunc(s.outages, func(o outage) bool {
		return (o.fault == "api killed" || o.fault == "api stopped") && a.at.Before(o.to) && a.at.Add(a.took).After(o.from)
	})
}
