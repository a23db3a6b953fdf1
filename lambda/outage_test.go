package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// The default settings of the mapping, in terraform/modules/lambda.
const (
	mappingRetries = 10_000
	mappingAge     = 22 * time.Hour
)

const postgresStopped = "Postgres stopped"

// TestHandler_loses_nothing_in_an_outage stops Postgres for 30 minutes while events
// arrive, with a mapping that retries at once. The clock is accelerated: the outage, the
// number of retries and the age of a record are divided by the same number.
func TestHandler_loses_nothing_in_an_outage(t *testing.T) {
	acceleration := 60
	if *postgrestest.Soak {
		acceleration = 6
	}
	if testing.Short() {
		t.Skip("it runs for a minute")
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	s := &soak{harness: newHarness(t, 1, log), random: rand.New(rand.NewPCG(1, 2))}
	s.faults.Promise(postgresStopped)
	s.stop()
	s.tune = func(o *eventsource.Options) {
		o.RetryAtOnce, o.MaxRetries, o.MaxRecordAge = true, mappingRetries/acceleration, mappingAge/time.Duration(acceleration)
	}
	s.start()
	var group sync.WaitGroup
	producing, stop := context.WithCancel(t.Context())
	defer stop()
	group.Go(func() { s.produce(producing, rand.New(rand.NewPCG(1, 3))) })
	harnesstest.Pause(t.Context(), 2*time.Second)

	require.NoError(t, s.server.Stop(t.Context(), pgserver.Immediate))
	s.faults.Inject(postgresStopped)
	harnesstest.Pause(t.Context(), 30*time.Minute/time.Duration(acceleration))
	require.NoError(t, s.server.Start(t.Context()))

	stop()
	group.Wait()
	s.settle()
	counts := s.mapping.Status().Counts
	t.Logf("the mapping after the outage: %+v", counts)
	require.Zero(t, counts.Discarded, "no batch is given up")
	s.account()
}
