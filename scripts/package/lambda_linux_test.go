package main

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// TestTheFunctionStartsFast has a generous limit, so that it passes on a loaded
// machine. BenchmarkBootstrap measures the start time.
func TestTheFunctionStartsFast(t *testing.T) {
	ready := coldStart(t, unzip(t, shared(t).get(t, "lambda").Path), postgrestest.URL(t))
	t.Logf("ready after %s", ready)
	require.Less(t, ready, 5*time.Second)
}

// BenchmarkBootstrap measures the time of the packaged function from its process
// start, through opening the database, until it asks for work.
func BenchmarkBootstrap(b *testing.B) {
	bootstrap, url := unzip(b, shared(b).get(b, "lambda").Path), postgrestest.URL(b)
	var sum, most time.Duration
	for b.Loop() {
		took := coldStart(b, bootstrap, url)
		sum += took
		most = max(most, took)
	}
	b.ReportMetric(float64(sum.Microseconds())/1000/float64(b.N), "ready-ms")
	b.ReportMetric(float64(most.Microseconds())/1000, "slowest-ms")
}

var initDuration = regexp.MustCompile(`Init Duration: ([0-9.]+) ms`)

// coldStart runs one invocation of an empty batch in a new environment, and returns
// the Init Duration from its report.
func coldStart(t testing.TB, bootstrap, database string) time.Duration {
	t.Helper()
	log := &harnesstest.Buffer{}
	host, err := lambda.New(lambda.Options{
		Name: "recflow-stream", Command: []string{bootstrap}, Timeout: 30 * time.Second, Log: log,
		Env: map[string]string{
			"RECFLOW_DATABASE_URL": database, "RECFLOW_DATABASE_MAX_CONNS": "2", "RECFLOW_BUCKET": "bucket", "AWS_REGION": "eu-central-1",
			"RECFLOW_FIREHOSE_RECOMMENDATIONS": "lists", "RECFLOW_FIREHOSE_EVENTS": "events", "RECFLOW_FIREHOSE_QUARANTINE": "quarantine",
		},
	})
	require.NoError(t, err)
	defer host.Close()
	_, failed, err := host.Invoke(t.Context(), []byte(`{"Records":[]}`))
	require.NoError(t, err)
	require.Empty(t, failed, "%s", log.String())
	host.Close()
	found := initDuration.FindStringSubmatch(log.String())
	require.NotNil(t, found, "%s", log.String())
	ms, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	return time.Duration(ms * float64(time.Millisecond))
}

// unzip unpacks the function as Lambda does, and returns its bootstrap.
func unzip(t testing.TB, path string) string {
	t.Helper()
	z, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer z.Close()
	dir := t.TempDir()
	for _, f := range z.File {
		in, err := f.Open()
		require.NoError(t, err)
		out, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_CREATE|os.O_WRONLY, f.Mode())
		require.NoError(t, err)
		_, err = io.Copy(out, in)
		require.NoError(t, errors.Join(err, out.Close(), in.Close()))
	}
	return filepath.Join(dir, "bootstrap")
}
