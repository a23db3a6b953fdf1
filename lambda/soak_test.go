package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
)

// TestSoak sends events through the whole path while parts of it fail at
// random, and then checks where each accepted event ended. It runs for a minute
// in make test and for half an hour in make soak. It prints its seed.
func TestSoak(t *testing.T) {
	length := 40 * time.Second
	if *postgrestest.Soak {
		length = 30 * time.Minute
	}
	if testing.Short() {
		t.Skip("it runs for a minute")
	}
	seed := postgrestest.Seed(t)
	logFile, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() {
		if t.Failed() {
			log, _ := os.ReadFile(logFile.Name())
			t.Logf("last output:\n%s", log[max(0, len(log)-20_000):])
		}
	}()
	s := &soak{harness: newHarness(t, seed, logFile), random: rand.New(rand.NewPCG(seed, 2))}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { s.produce(ctx, rand.New(rand.NewPCG(seed, 3))) })
	group.Go(func() { s.watch(ctx) })
	s.injectFaults(ctx, length)
	cancel()
	group.Wait()
	s.settle()
	s.account()
	s.flat()
}

type soak struct {
	*harness
	random *rand.Rand // for the faults; produce has its own, because they run concurrently

	accepted [][]byte // data of records that are in the stream, in the order of their puts
	users    map[string]bool
	samples  []sample
}

// produce sends about 200 records a second: of known and new users, with
// duplicates, conflicts, times in the future, unknown items, and broken
// records.
func (s *soak) produce(ctx context.Context, random *rand.Rand) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	malformed := streamtest.Malformed()
	s.users = map[string]bool{}
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var records []awsclient.StreamRecord
		for range 20 {
			n++
			e := s.event(random, n)
			record := awsclient.StreamRecord{PartitionKey: e.UserID, Data: stream.EncodeEvent(e)}
			switch dice := random.IntN(100); {
			case dice < 2:
				record.Data = malformed[random.IntN(len(malformed))].Data
			case dice < 12 && len(s.accepted) > 0:
				record.Data = s.accepted[random.IntN(len(s.accepted))]
			case dice < 14:
				record.Data = streamtest.Aggregate(record.Data, stream.EncodeEvent(s.event(random, n+10_000_000)))
			default:
				s.users[e.UserID] = true
			}
			if len(record.Data) > 0 { // Kinesis accepts no empty record
				records = append(records, record)
			}
		}
		// A record with a sequence number is in the stream, even if the put
		// failed.
		results, _ := s.producer.Put(ctx, records)
		for i, r := range results {
			if r.SequenceNumber != "" {
				s.accepted = append(s.accepted, records[i].Data)
			}
		}
	}
}

func (s *soak) event(random *rand.Rand, n int) recsys.Event {
	e := recsys.Event{
		EventID: fmt.Sprintf("e%d", n), UserID: fmt.Sprintf("u%05d", random.IntN(150)), ItemID: fmt.Sprintf("i%06d", random.IntN(420)),
		EventType:  []string{recsys.Click, recsys.View, recsys.Purchase, recsys.AddToCart, recsys.Impression, "wish"}[random.IntN(6)],
		OccurredAt: time.Now().Add(-time.Duration(random.IntN(72)) * time.Hour).UTC().Truncate(time.Millisecond),
	}
	switch random.IntN(100) {
	case 0: // another event has the same id
		e.EventID = fmt.Sprintf("e%d", 1+random.IntN(n))
	case 1:
		e.OccurredAt = e.OccurredAt.Add(1000 * time.Hour)
	}
	return e
}

// Kinds of faults that the parts of the harness count.
const (
	functionKilled   = "function killed"
	postgresCrashed  = "Postgres crashed"
	mappingRestarted = "mapping restarted"
)

// injectFaults makes one part after the other fail, each at least once, for at least
// the given time.
func (s *soak) injectFaults(ctx context.Context, length time.Duration) {
	readFailed, putRefused := kinesistest.Fault("GetRecords", "InternalFailure"), kinesistest.Fault("record", putThrottled)
	kinds := []struct {
		fault string // empty: a change, not a fault
		do    func()
	}{
		{functionKilled, func() { s.killFunction(ctx) }},
		{mappingRestarted, func() { s.stop(); s.start(); s.faults.Inject(mappingRestarted) }},
		{postgresCrashed, s.restartPostgres},
		{postgresHangs, func() { s.hangPostgres(ctx) }},
		{"", func() { s.promote(s.random.IntN(2)) }},
		{"", s.reshard},
		{readFailed, func() {
			s.kinesis.Fail("GetRecords", "ProvisionedThroughputExceededException", "InternalFailure", "ExpiredIteratorException")
			s.kinesis.ExpireIterators()
		}},
		{putRefused, func() { s.during(ctx, &s.rates.put, 0.3, putRefused) }},
		{firehosetest.RecordRefused, func() { s.during(ctx, &s.rates.delivery, 0.2, firehosetest.RecordRefused) }},
		{firehosetest.CallRefused, func() { s.during(ctx, &s.rates.delivery, 1, firehosetest.CallRefused) }},
		{firehosetest.BucketAway, func() { s.during(ctx, &s.rates.delivers, 0.8, firehosetest.BucketAway) }},
	}
	for _, k := range kinds {
		if k.fault != "" {
			s.faults.Promise(k.fault)
		}
	}
	began := time.Now()
	for round := 0; ; round++ {
		for _, i := range s.random.Perm(len(kinds)) {
			if round > 0 && time.Since(began) > length {
				return
			}
			kinds[i].do()
			harnesstest.Pause(ctx, time.Duration(s.random.IntN(2000))*time.Millisecond) // the next part fails at any moment
		}
	}
}

// during makes a share of calls fail for a while, until at least one has
// failed.
func (s *soak) during(ctx context.Context, what *float64, share float64, fault string) {
	before := s.faults.Injected(fault)
	s.rates.set(what, share)
	harnesstest.Pause(ctx, time.Duration(500+s.random.IntN(1500))*time.Millisecond)
	harnesstest.Eventually(s.t, fault, func() bool { return s.faults.Injected(fault) > before })
	s.rates.set(what, 0)
}

// killFunction kills one of the function's processes at a random moment.
func (s *soak) killFunction(ctx context.Context) {
	_ = harnesstest.Poll(ctx, 10*time.Millisecond, func() bool {
		pids := s.functions()
		if len(pids) == 0 || syscall.Kill(pids[s.random.IntN(len(pids))], syscall.SIGKILL) != nil { // it may have ended already
			return false
		}
		s.faults.Inject(functionKilled)
		return true
	})
}

// functions returns the processes of the function.
func (s *soak) functions() (pids []int) {
	for _, pid := range children(s.t, os.Getpid()) {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(exe) == "bootstrap" {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *soak) restartPostgres() {
	ctx := context.WithoutCancel(s.t.Context())
	require.NoError(s.t, s.server.Stop(ctx, pgserver.Immediate))
	s.faults.Inject(postgresCrashed)
	require.NoError(s.t, s.server.Start(ctx))
}

func (s *soak) hangPostgres(ctx context.Context) {
	var stopped []int
	for _, pid := range append([]int{s.server.PID()}, children(s.t, s.server.PID())...) {
		if syscall.Kill(pid, syscall.SIGSTOP) == nil {
			stopped = append(stopped, pid)
		}
	}
	if len(stopped) > 0 {
		s.faults.Inject(postgresHangs)
	}
	harnesstest.Pause(ctx, time.Duration(s.random.IntN(3000))*time.Millisecond)
	for _, pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may be ending already
	}
}

func (s *soak) reshard() {
	open := s.kinesis.Shards(harnessStream, true)
	if len(open) < 4 {
		require.NoError(s.t, s.kinesis.Split(harnessStream, open[s.random.IntN(len(open))]))
		return
	}
	for i := range open { // the first two adjacent shards
		for j := range open {
			if i != j && s.kinesis.Merge(harnessStream, open[i], open[j]) == nil {
				return
			}
		}
	}
}

// settle ends the faults and sends every user a last event, so that the last
// list of each is made by the live version.
func (s *soak) settle() {
	s.promote(1)
	var records []awsclient.StreamRecord
	for user := range s.users {
		e := recsys.Event{EventID: "last-" + user, UserID: user, ItemID: "i000001", EventType: recsys.Click, OccurredAt: time.Now().UTC().Truncate(time.Microsecond)}
		records = append(records, awsclient.StreamRecord{PartitionKey: user, Data: stream.EncodeEvent(e)})
	}
	// The last events are processed after everything that is pending.
	s.await(s.accepted)
	_, err := s.producer.Put(s.t.Context(), records)
	require.NoError(s.t, err)
	for _, r := range records {
		s.accepted = append(s.accepted, r.Data)
	}
	s.await(s.accepted)
	s.stop()
	require.NoError(s.t, s.firehose.Close())
}

// await waits until every event with a readable id has its verdict.
func (s *soak) await(data [][]byte) {
	keys := map[events.VerdictKey]bool{}
	for _, raw := range data {
		for _, d := range stream.Decode(stream.Record{Data: raw, ArrivedAt: time.Now()}) {
			if d.EventID != "" {
				keys[events.VerdictKey{EventID: d.EventID, Digest: d.Digest}] = true
			}
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	var ask []events.VerdictKey
	err := harnesstest.Poll(ctx, 50*time.Millisecond, func() bool {
		ask = slices.Collect(maps.Keys(keys))
		got, err := s.store.Verdicts(ctx, ask)
		if err == nil {
			for k := range got {
				delete(keys, k)
			}
		}
		return len(keys) == 0
	})
	if err != nil {
		require.FailNow(s.t, "no verdict", "%d of %d events have none, such as %v; the mapping: %+v", len(keys), len(data), ask[0], s.mapping.Status())
	}
	s.t.Logf("%d records settled %s after the end", len(data), time.Since(began).Round(time.Millisecond))
}

// sample is the resource use of the parts at one moment.
type sample struct {
	rss         int64 // bytes of the largest process of the function
	goroutines  int   // of everything else
	connections int
}

// watch takes samples periodically.
func (s *soak) watch(ctx context.Context) {
	for harnesstest.Pause(ctx, time.Second) {
		var now sample
		for _, pid := range s.functions() {
			now.rss = max(now.rss, resident(pid))
		}
		now.goroutines = runtime.NumGoroutine()
		now.connections = len(children(s.t, s.server.PID()))
		s.samples = append(s.samples, now)
	}
}

func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	var kb int64
	fmt.Sscan(strings.TrimSpace(string(rest)), &kb)
	return kb << 10
}

// flat compares the last third of the samples with the first.
func (s *soak) flat() {
	third := len(s.samples) / 3
	most := func(part []sample) (m sample) {
		for _, p := range part {
			m.rss, m.goroutines, m.connections = max(m.rss, p.rss), max(m.goroutines, p.goroutines), max(m.connections, p.connections)
		}
		return m
	}
	first, last := most(s.samples[:third]), most(s.samples[2*third:])
	s.t.Logf("maximum in the first and the last third: resident memory of a function %d and %d MiB, goroutines %d and %d, Postgres processes %d and %d",
		first.rss>>20, last.rss>>20, first.goroutines, last.goroutines, first.connections, last.connections)
	require.LessOrEqual(s.t, last.rss, first.rss+first.rss/2+(32<<20))
	require.LessOrEqual(s.t, last.goroutines, first.goroutines*3/2+50)
	require.LessOrEqual(s.t, last.connections, first.connections+10)
}
