package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

const (
	perSecond = 200             // requests
	late      = 3 * time.Second // a slow machine gets this in addition to each deadline
	recovery  = 2 * time.Second // from the end of a fault to the next list
)

// faultTime is how long the database is unavailable.
func faultTime() time.Duration {
	if *postgrestest.Soak {
		return 90 * time.Second
	}
	return 15 * time.Second
}

// overloaded is the API as in production, on a server of its own.
type overloaded struct {
	*harness
	server  *pgserver.Server
	address string // of the API
	client  *http.Client
}

func newOverloaded(t *testing.T) *overloaded {
	t.Helper()
	o := &overloaded{server: pgservertest.Server(t)}
	url := o.server.URL("postgres")
	require.NoError(t, postgres.Migrate(t.Context(), url))
	database := config.Database{URL: url, MaxConns: 10}
	db, err := postgres.Open(t.Context(), databaseOptions(database, nil, slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	o.harness = &harness{}
	o.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		o.harness.server = newServer(with.Settings, with.Log, db, with.Temporal)
		return o.api.Handler()
	}, apitest.WithDatabase(url), apitest.WithTemporal, apitest.WithSettings(func(c *config.API) {
		c.Database, c.DrainTimeout = database, time.Second
	}))
	o.withLive(t)
	o.address = "http://" + o.serving(t).requests.Addr().String()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1000, 1000
	o.client = &http.Client{Transport: transport, Timeout: 2 * heavyTimeout}
	t.Cleanup(transport.CloseIdleConnections)
	return o
}

// execute runs statements on the server.
func (o *overloaded) execute(statements ...string) {
	o.T.Helper()
	conn, err := pgx.Connect(o.T.Context(), o.server.URL("postgres"))
	require.NoError(o.T, err)
	defer conn.Close(o.T.Context())
	for _, s := range statements {
		_, err := conn.Exec(o.T.Context(), s)
		require.NoError(o.T, err)
	}
}

// request is a request of the load, and its deadline.
type request struct {
	method, path, body string
	limit              time.Duration
}

var loads = []request{
	{"GET", "/recommendations/u00001", "", listTimeout},
	{"GET", "/recommendations/unknown-user?k=50", "", listTimeout},
	{"GET", "/recommendations?recent=i000001", "", listTimeout},
	{"GET", "/items/i000001", "", listTimeout},
	{"GET", "/items/i000001/similar", "", listTimeout},
	{"GET", "/recommendations/u00002/explain?item=i000003", "", listTimeout},
	{"POST", "/recommendations/batch", `{"users":["u00003","u00004"],"k":5}`, 10 * time.Second},
	{"GET", "/versions/1", "", 10 * time.Second},
	{"GET", "/versions/1/users", "", heavyTimeout},
	{"GET", "/live", "", 10 * time.Second},
	{"GET", "/backfill", "", 10 * time.Second},
	{"PUT", "/items/i000002", `{"available":true}`, 10 * time.Second},
	{"GET", "/readyz", "", readyTimeout},
	{"GET", "/healthz", "", 0},
}

// loadOf returns the position of a request in loads.
func loadOf(method, path string) int {
	return slices.IndexFunc(loads, func(r request) bool { return r.method == method && r.path == path })
}

// response is the response to loads[load].
type response struct {
	load, status int
	retryAfter   string
	took         time.Duration
	err          error
}

// send sends one request of the load.
func (o *overloaded) send(load int) (r response) {
	l, began := loads[load], time.Now()
	r.load = load
	req, err := http.NewRequestWithContext(context.Background(), l.method, o.address+l.path, strings.NewReader(l.body))
	if err != nil {
		return response{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+o.Token)
	if l.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return response{load: load, err: err, took: time.Since(began)}
	}
	defer resp.Body.Close()
	_, r.err = io.Copy(io.Discard, resp.Body)
	r.status, r.retryAfter, r.took = resp.StatusCode, resp.Header.Get("Retry-After"), time.Since(began)
	return r
}

// sizes is the memory of the process at some time.
type sizes struct {
	heap       uint64 // bytes
	goroutines int
}

// load sends requests at a constant rate, whether earlier ones have been answered or
// not, and returns the memory in every second. responses waits for all responses.
func (o *overloaded) load(length time.Duration) (responses func() []response, memory []sizes) {
	o.T.Helper()
	var all []response
	var mu sync.Mutex
	var group sync.WaitGroup
	requests := time.NewTicker(time.Second / perSecond)
	defer requests.Stop()
	began := time.Now()
	for n := 0; time.Since(began) < length; n++ {
		<-requests.C
		group.Go(func() {
			r := o.send(n % len(loads))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r)
		})
		if n%perSecond == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			memory = append(memory, sizes{m.HeapAlloc, runtime.NumGoroutine()})
		}
	}
	return func() []response { group.Wait(); return all }, memory
}

// check checks that every response was in time and is allowed.
func (o *overloaded) check(responses func() []response, allowed ...int) {
	o.T.Helper()
	all := responses()
	slowest := map[int]response{}
	statuses := map[int]int{}
	for _, r := range all {
		l := loads[r.load]
		if !assert.NoError(o.T, r.err, l.path) {
			return
		}
		statuses[r.status]++
		if slowest[r.load].took <= r.took {
			slowest[r.load] = r
		}
		if !assert.Contains(o.T, allowed, r.status, l.method+" "+l.path) {
			return
		}
		if r.status == http.StatusServiceUnavailable && !assert.NotEmpty(o.T, r.retryAfter, l.path) {
			return
		}
		if l.path == "/healthz" {
			assert.Equal(o.T, http.StatusOK, r.status)
		}
	}
	for n, r := range slowest {
		assert.Less(o.T, r.took, loads[n].limit+late, loads[n].method+" "+loads[n].path)
	}
	times := make([]string, len(loads))
	for n := range loads {
		times[n] = fmt.Sprintf("%s %s %s", loads[n].method, loads[n].path, slowest[n].took.Round(time.Millisecond))
	}
	o.T.Logf("statuses %v; slowest: %s", statuses, strings.Join(times, ", "))
}

// recovers waits for lists and the readiness check.
func (o *overloaded) recovers() {
	o.T.Helper()
	began := time.Now()
	for _, path := range []string{"/recommendations/u00001", "/readyz"} {
		harnesstest.Eventually(o.T, path+" to be answered", func() bool { return o.send(loadOf("GET", path)).status == http.StatusOK })
	}
	took := time.Since(began)
	o.T.Logf("healthy after %s", took.Round(time.Millisecond))
	assert.Less(o.T, took, recovery+late)
}

// flat checks that memory and goroutines do not grow with the length of a fault.
func flat(t *testing.T, memory []sizes) {
	t.Helper()
	third := len(memory) / 3
	require.Positive(t, third)
	largest := func(m []sizes) sizes {
		return sizes{
			slices.MaxFunc(m, func(a, b sizes) int { return cmp.Compare(a.heap, b.heap) }).heap,
			slices.MaxFunc(m, func(a, b sizes) int { return cmp.Compare(a.goroutines, b.goroutines) }).goroutines,
		}
	}
	middle, end := largest(memory[third:2*third]), largest(memory[2*third:])
	t.Logf("heap %d MiB, then %d MiB; goroutines %d, then %d", middle.heap>>20, end.heap>>20, middle.goroutines, end.goroutines)
	assert.Less(t, end.heap, middle.heap*3/2+32<<20)
	assert.Less(t, end.goroutines, middle.goroutines*3/2+500)
}

func TestExpensiveReads_are_refused_while_others_run(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithSettings(func(c *config.API) { c.Database.MaxConns = 2 }))
	h.withLive(t)
	batch := map[string]any{"users": []string{"u00001"}, "k": 5}
	expensive := []string{
		"/versions/1/diff/1?users=1", "/versions/1/users", "/recommendations/u00001/explain?item=i000001", "/items/i000001/similar", "/stream", "/stream/quality",
	}
	for _, path := range expensive {
		require.Equal(t, http.StatusOK, h.Do("GET", path, nil).Status, path)
	}
	release, err := h.heavy.Take(t.Context()) // the only one of a small pool
	require.NoError(t, err)
	for _, path := range expensive {
		require.Equal(t, "busy", h.Do("GET", path, nil).Problem(t).Code, path)
	}
	require.Equal(t, "busy", h.Do("POST", "/recommendations/batch", batch).Problem(t).Code)
	require.Equal(t, http.StatusOK, h.Do("GET", "/recommendations/u00001", nil).Status)
	release()
	require.Equal(t, http.StatusOK, h.Do("POST", "/recommendations/batch", batch).Status)
}

// A database that hangs keeps its connections open and answers nothing: only the
// deadlines of the API end the requests.
func TestAPI_sheds_load_while_the_database_hangs(t *testing.T) {
	o := newOverloaded(t)
	faults := harnesstest.CountFaults(t, "Postgres hangs")
	healthy, _ := o.load(2 * time.Second)
	o.check(healthy, http.StatusOK, http.StatusServiceUnavailable) // a slow machine sheds load as well
	resume := pgservertest.Hang(t, o.server)
	faults.Inject("Postgres hangs")
	responses, memory := o.load(faultTime())
	resume()
	o.recovers()
	o.check(responses, http.StatusOK, http.StatusServiceUnavailable)
	flat(t, memory)
}

func TestAPI_sheds_load_while_the_database_is_read_only(t *testing.T) {
	o := newOverloaded(t)
	faults := harnesstest.CountFaults(t, "Postgres is read-only")
	// As after a failover, the connections lead to a server that refuses writes.
	o.execute("ALTER DATABASE postgres SET default_transaction_read_only = on",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'recflow-api'")
	faults.Inject("Postgres is read-only")
	responses, memory := o.load(faultTime() / 3)
	write := o.send(loadOf("PUT", "/items/i000002"))
	assert.Equal(t, http.StatusServiceUnavailable, write.status)
	o.execute("SET default_transaction_read_only = off", "ALTER DATABASE postgres RESET default_transaction_read_only")
	o.recovers()
	harnesstest.Eventually(t, "writes to succeed on new connections", func() bool { return o.send(loadOf("PUT", "/items/i000002")).status == http.StatusOK })
	o.check(responses, http.StatusOK, http.StatusServiceUnavailable)
	flat(t, memory)
}

func TestAPI_sheds_load_while_the_database_is_out_of_connections(t *testing.T) {
	o := newOverloaded(t)
	faults := harnesstest.CountFaults(t, "Postgres is out of connections")
	o.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()")
	var taken []*pgx.Conn
	for {
		conn, err := pgx.Connect(t.Context(), o.server.URL("postgres"))
		if err != nil {
			break
		}
		taken = append(taken, conn)
	}
	faults.Inject("Postgres is out of connections")
	responses, memory := o.load(faultTime() / 3)
	for _, conn := range taken {
		conn.Close(t.Context())
	}
	o.recovers()
	o.check(responses, http.StatusOK, http.StatusServiceUnavailable)
	flat(t, memory)
}
