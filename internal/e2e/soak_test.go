package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/e2e/faultproxy"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// TestSoak_everything_under_faults runs trainings, promotions and rollbacks, batch
// lists, a stream of events and requests for lists, all at once, on a local stack
// whose parts fail at random, and then checks that nothing is lost, half done or left
// behind. It takes about four minutes in make test and half an hour in make soak; the
// flag -seed repeats the faults of a run. No other test of the package runs at the same time.
func TestSoak_everything_under_faults(t *testing.T) {
	length := 2 * time.Minute // and a minute for the first and the last training
	if *postgrestest.Soak {
		length = 28 * time.Minute
	}
	s := newSoak(t, postgrestest.Seed(t))
	defer s.summary()
	s.recflow(slices.Concat([]string{"refresh", "--wait", "--quiet"}, trainingFlags)...)

	// What is under way when the faults end, ends without them.
	running, end := context.WithCancel(t.Context())
	defer end()
	var group sync.WaitGroup
	for n, work := range []func(context.Context, *rand.Rand){
		s.sendToStream, s.sendToAPI, s.readLists, s.readLists, s.train, s.writeLists, s.changeLive, s.compare, s.watch,
	} {
		group.Go(func() { work(running, rand.New(rand.NewPCG(s.seed, uint64(n)))) })
	}
	s.injectFaults(length)
	end()
	group.Wait()
	if t.Failed() {
		return
	}

	s.settle()
	s.accountForEvents()
	s.accountForVersions()
	s.accountForLists()
	s.accountForAnswers()
	s.recflow("down", "--quiet")
	require.Empty(t, s.processes(), "a process is left")
}

// soakTraining is the training of trainingFlags as a request to the API.
var soakTraining = apiclient.Training{Rank: 8, Iterations: 5, HalfLife: "never", AcceptGates: map[string]string{"quality": tooFewUsers}}

// soak is a loop whose parts fail, and what is known of what it did.
type soak struct {
	*loop
	seed    uint64
	faults  *harnesstest.Faults
	random  *rand.Rand // for the faults
	proxies map[string]*faultproxy.Proxy
	api     *apiclient.Client
	put     *awsclient.Kinesis // through a proxy

	// Guarded by loop.mu.
	outages   []outage
	accepted  map[string]bool // ids of events whose put was acknowledged
	malformed [][]byte        // other records whose put was acknowledged
	answers   []answer        // of requests for a list
	ended     map[string]int  // what ended, and how
	memory    int64           // largest resident memory of a process of the function, in bytes
}

// outage is the time of a fault.
type outage struct {
	fault    string
	from, to time.Time
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{
		loop: newLoop(t), seed: seed, faults: harnesstest.CountFaults(t), random: rand.New(rand.NewPCG(seed, 100)),
		proxies: map[string]*faultproxy.Proxy{}, accepted: map[string]bool{}, ended: map[string]int{},
	}
	t.Cleanup(s.keepLogs)
	ports, err := stack.ReservePorts()
	require.NoError(t, err)
	settings := stack.NewSettings(ports)
	writeSettings(t, s.home, settings)
	through := s.startProxies(settings.Env(s.home))
	glue := filepath.Join(filepath.Dir(s.bin), "glue")
	s.bin = wrapPrograms(t, s.bin, map[string]map[string]string{"recflow-worker": through, "recflow-api": through, "recflow-lambda": through})
	require.NoError(t, os.Symlink(glue, filepath.Join(filepath.Dir(s.bin), "glue")))
	s.recflow("up", "--quiet")
	s.importEvents()
	s.connect()
	vars, err := stack.LoadEnv(s.home)
	require.NoError(t, err)
	s.api = apiclient.New(apiclient.Options{URL: vars["RECFLOW_API_URL"], Token: vars["RECFLOW_API_TOKEN"]})
	maps.Copy(vars, through)
	s.put = awsclient.NewKinesis(configOf(t, vars), stack.StreamName)
	return s
}

// startProxies starts a proxy for each service and returns the variables that lead to
// them.
func (s *soak) startProxies(vars map[string]string) map[string]string {
	through := map[string]string{}
	for n, service := range []string{"S3", "Kinesis", "Firehose", "Glue"} {
		variable := "AWS_ENDPOINT_URL_" + map[string]string{"S3": "S3", "Kinesis": "KINESIS", "Firehose": "FIREHOSE", "Glue": "GLUE"}[service]
		p, err := faultproxy.New(vars[variable], s.seed+uint64(n), func(f faultproxy.Fault) { s.faults.Inject(service + " " + string(f)) })
		require.NoError(s.t, err)
		server := httptest.NewServer(p)
		s.t.Cleanup(server.Close)
		s.proxies[service], through[variable] = p, server.URL
	}
	return through
}

// keepLogs copies the logs of the stack out of the folder of a failed test, which is
// deleted.
func (s *soak) keepLogs() {
	if !s.t.Failed() {
		return
	}
	kept, err := os.MkdirTemp("", fmt.Sprintf("recflow-soak-%d-", s.seed))
	if err == nil {
		err = os.CopyFS(kept, os.DirFS(filepath.Join(s.home, "logs")))
	}
	s.t.Logf("the logs are in %s (%v)", kept, err)
}

// count counts something that ended.
func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[what]++
}

// summary logs what happened.
func (s *soak) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := fmt.Sprintf("\n%8d events accepted by the stream\n%8d malformed records", len(s.accepted), len(s.malformed))
	for _, what := range slices.Sorted(maps.Keys(s.ended)) {
		table += fmt.Sprintf("\n%8d %s", s.ended[what], what)
	}
	var latencies []time.Duration
	for _, a := range s.answers {
		if a.err == nil {
			latencies = append(latencies, a.took)
		}
	}
	if len(latencies) > 0 {
		table += fmt.Sprintf("\n%8d lists read, p50 %s, p99 %s", len(latencies), percentile(latencies, 50).Round(time.Millisecond), percentile(latencies, 99).Round(time.Millisecond))
	}
	table += fmt.Sprintf("\n%8d checks that every event counts once", s.checks)
	table += fmt.Sprintf("\n%8d MiB of memory in the largest process of the function", s.memory>>20)
	s.t.Logf("seed %d:%s", s.seed, table)
}
