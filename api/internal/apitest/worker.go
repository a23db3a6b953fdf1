package apitest

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

// holdingJob waits while a file exists and then fails. The tests of the worker cover
// the results of a training.
const holdingJob = `
import os, sys, time
while os.path.exists(os.environ["HOLD"]):
    time.sleep(0.05)
print("RECFLOW_ERROR DataInvalid: nothing to train on", file=sys.stderr, flush=True)
sys.exit(1)
`

// WithWorker runs a worker on a bucket with some delivered events, whose
// trainings run while the file at hold exists.
func (h *Harness) WithWorker(t *testing.T) (hold string) {
	t.Helper()
	s3 := awstest.S3(t)
	require.NoError(t, s3.Put(t.Context(), "raw/events/dt=2025-01-01/hour=00/x.gz", bytes.NewReader(make([]byte, 1000))))
	return h.WithWorkerOn(t, s3)
}

// WithWorkerOn is WithWorker on the given bucket.
func (h *Harness) WithWorkerOn(t *testing.T, s3 *awsclient.S3) (hold string) {
	t.Helper()
	hold = filepath.Join(t.TempDir(), "hold")
	endpoint := gluetest.New(t, gluetest.Options{Script: holdingJob, Env: []string{"HOLD=" + hold}, Job: glue.Job{MaxConcurrentRuns: 2}})
	c, err := client.Dial(client.Options{HostPort: h.Settings.Temporal.Address, Namespace: h.Settings.Temporal.Namespace, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	steps := &activities.Activities{Versions: h.Store.VersionStore, Embeddings: h.Store.EmbeddingStore, Search: recommend.NewSlot(h.Store.EmbeddingStore, 1<<30), Events: h.Store.EventStore, Ledger: h.Store.LedgerStore, S3: s3, Glue: endpoint.Client(t), Temporal: c, PollEvery: 50 * time.Millisecond, LoadParallel: 1}
	w := worker.New(c, "recflow", worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.Edge(steps, time.Minute)}})
	workflows.Register(w)
	w.RegisterActivity(steps)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return hold
}
