package main

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/workflows"
)

// lock takes locks in a separate transaction until release is called.
func (s *stage) lock(statements ...string) (release func()) {
	s.t.Helper()
	ctx := context.Background() // release may be called during cleanup
	conn, err := pgx.Connect(ctx, s.url)
	require.NoError(s.t, err)
	tx, err := conn.Begin(ctx)
	require.NoError(s.t, err)
	for _, statement := range statements {
		_, err := tx.Exec(ctx, statement)
		require.NoError(s.t, err)
	}
	release = sync.OnceFunc(func() { require.NoError(s.t, conn.Close(ctx)) })
	s.t.Cleanup(release)
	return release
}

// blockVersions blocks the search for abandoned versions.
func (s *stage) blockVersions() func() {
	return s.lock("LOCK TABLE recflow.versions IN ACCESS EXCLUSIVE MODE")
}

// blockCreation blocks the creation of versions and allows reads.
func (s *stage) blockCreation() func() {
	return s.lock("LOCK TABLE recflow.versions IN SHARE ROW EXCLUSIVE MODE")
}

// blockIndex blocks the index build of the first version by holding the
// advisory lock that an attempt takes first.
func (s *stage) blockIndex() func() {
	return s.lock("SELECT pg_advisory_lock(1651861868, 1)")
}

// blockVerify blocks recording the results of the gates.
func (s *stage) blockVerify() func() {
	return s.lock("LOCK TABLE recflow.gates IN ACCESS EXCLUSIVE MODE")
}

// blockPromotion blocks changes of the live pointer.
func (s *stage) blockPromotion() func() {
	return s.lock("SELECT version_id FROM recflow.live FOR UPDATE")
}

// blockPrune blocks the deletion of old verdicts, the last step of pruning.
func (s *stage) blockPrune() func() {
	return s.lock("LOCK TABLE recflow.event_verdicts IN SHARE MODE")
}

// occupyJob starts a training run that was not started by recflow and that
// takes the job's only slot.
func (s *stage) occupyJob() func() {
	s.t.Helper()
	release := s.hold()
	_, err := s.glue.Start(s.t.Context(), map[string]string{"--run_id": "of-another-system", "--bucket": s.s3.Bucket(),
		"--from": "", "--to": "", "--stored_to": ""})
	require.NoError(s.t, err)
	return func() {
		release()
		harnesstest.Eventually(s.t, "end of the other run", func() bool {
			run, err := s.glue.FindRun(context.Background(), "of-another-system")
			return err == nil && run.State.Over()
		})
	}
}

// blockCopies blocks every COPY at its commit: completing a file needs its
// claim's row.
func (s *stage) blockCopies() func() {
	return s.lock(`
		CREATE FUNCTION public.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(4242);
			RETURN new;
		END $$;
		CREATE TRIGGER wait_for_test BEFORE UPDATE OF done ON recflow.claims
		FOR EACH ROW EXECUTE FUNCTION public.wait_for_test();
		COMMIT;
		BEGIN;
		SELECT pg_advisory_xact_lock(4242)`)
}

// inTheMiddle waits until a step of the stage is blocked inside Postgres, Glue
// or S3.
func (s *stage) inTheMiddle(stage string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.url)
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	harnesstest.Eventually(s.t, "the middle of "+stage, func() bool {
		switch {
		case stage == workflows.StageTrain:
			for run := range s.glue.Runs(s.t.Context()) {
				return !run.State.Over()
			}
			return false
		case s.reads.holding() > 0:
			return true
		}
		var waiting int
		err := conn.QueryRow(s.t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE application_name = 'recflow-worker' AND datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		require.NoError(s.t, err)
		return waiting > 0
	})
}

// buildsGraph waits until Postgres is building an HNSW index.
func (s *stage) buildsGraph() {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.url)
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	harnesstest.Eventually(s.t, "the graph", func() bool {
		var building bool
		err := conn.QueryRow(s.t.Context(), `
			SELECT EXISTS (
				SELECT FROM pg_stat_progress_create_index
				WHERE datname = current_database() AND phase = 'building index: loading tuples' AND tuples_done > 1000
			)`).Scan(&building)
		require.NoError(s.t, err)
		return building
	})
}
