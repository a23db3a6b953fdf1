package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

// TestSoak sends events through the whole path while parts of it fail at random,
// and then looks where each accepted event has ended: a minute in make test, half
// an hour in make soak. The seed is printed.
func TestSoak(t *testing.T) {
	length, seed := 40*time.Second, uint64(time.Now().UnixNano())
	if *vectorstoretest.Soak {
		length = 30 * time.Minute
	}
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Logf("seed %d", seed)
	logFile, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() {
		if t.Failed() {
			log, _ := os.ReadFile(logFile.Name())
			t.Logf("last output:\n%s", log[max(0, len(log)-20_000):])
		}
	}()
	s := &soak{rig: newRig(t, seed, logFile), random: rand.New(rand.NewPCG(seed, 2))}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { s.produce(ctx) })
	group.Go(func() { s.watch(ctx) })
	s.torment(ctx)
	group.Wait()
	s.settle()
	s.account()
	s.flat()
}

type soak struct {
	*rig
	random *rand.Rand // of the torment

	accepted [][]byte // the data of records that are in the stream, in order of their puts
	users    map[string]bool
	samples  []sample
	faults   map[string]int
}

// produce sends about 200 records a second: of known and new users, some of them
// again, in conflict, from the future, on unknown items, or broken.
func (s *soak) produce(ctx context.Context) {
	random := rand.New(rand.NewPCG(s.random.Uint64(), 3))
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
			if len(record.Data) > 0 { // Kinesis takes no empty record
				records = append(records, record)
			}
		}
		// Whatever has a sequence number is in the stream, also of a put that failed.
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

// torment makes one part fail after the other.
func (s *soak) torment(ctx context.Context) {
	s.faults = map[string]int{}
	for {
		kinds := []struct {
			name string
			do   func()
		}{
			{"kill the function", s.killFunction},
			{"restart the mapping", func() { s.stop(); s.start() }},
			{"restart Postgres", s.restartPostgres},
			{"hang Postgres", s.hangPostgres},
			{"flip", func() { s.promote(s.random.IntN(2)) }},
			{"reshard", s.reshard},
			{"fail Kinesis", func() {
				s.kinesis.Fail("GetRecords", "ProvisionedThroughputExceededException", "InternalFailure", "ExpiredIteratorException")
				s.kinesis.ExpireIterators()
			}},
			{"refuse puts", func() { s.during(ctx, &s.trouble.put, 0.3) }},
			{"refuse deliveries", func() { s.during(ctx, &s.trouble.delivery, 0.2) }},
			{"lose Firehose", func() { s.during(ctx, &s.trouble.delivery, 1) }},
			{"lose the bucket", func() { s.during(ctx, &s.trouble.delivers, 0.8) }},
		}
		k := kinds[s.random.IntN(len(kinds))]
		s.faults[k.name]++
		k.do()
		if !s.pause(ctx, time.Duration(s.random.IntN(2000))*time.Millisecond) {
			s.t.Logf("faults: %v", s.faults)
			return
		}
	}
}

func (s *soak) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// during lets a share of calls fail for a while.
func (s *soak) during(ctx context.Context, what *float64, share float64) {
	s.trouble.set(what, share)
	s.pause(ctx, time.Duration(500+s.random.IntN(1500))*time.Millisecond)
	s.trouble.set(what, 0)
}

// killFunction kills one of the function's processes, whatever it is doing.
func (s *soak) killFunction() {
	if pids := s.functions(); len(pids) > 0 {
		_ = syscall.Kill(pids[s.random.IntN(len(pids))], syscall.SIGKILL) // it may be gone by itself
	}
}

// functions are the processes of the function.
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
	require.NoError(s.t, s.server.Stop(ctx, postgres.Immediate))
	require.NoError(s.t, s.server.Start(ctx))
}

func (s *soak) hangPostgres() {
	var stopped []int
	for _, pid := range append([]int{s.server.PID()}, children(s.t, s.server.PID())...) {
		if syscall.Kill(pid, syscall.SIGSTOP) == nil {
			stopped = append(stopped, pid)
		}
	}
	time.Sleep(time.Duration(s.random.IntN(3000)) * time.Millisecond)
	for _, pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been on its way out
	}
}

func (s *soak) reshard() {
	open := s.kinesis.Shards(rigStream, true)
	if len(open) < 4 {
		require.NoError(s.t, s.kinesis.Split(rigStream, open[s.random.IntN(len(open))]))
		return
	}
	for i := range open { // the first two neighbours
		for j := range open {
			if i != j && s.kinesis.Merge(rigStream, open[i], open[j]) == nil {
				return
			}
		}
	}
}

// settle ends the torment and sends every user a last event, so that the last
// list of each is of the version that is live.
func (s *soak) settle() {
	s.promote(1)
	var records []awsclient.StreamRecord
	for user := range s.users {
		e := recsys.Event{EventID: "last-" + user, UserID: user, ItemID: "i000001", EventType: recsys.Click, OccurredAt: time.Now().UTC().Truncate(time.Microsecond)}
		records = append(records, awsclient.StreamRecord{PartitionKey: user, Data: stream.EncodeEvent(e)})
	}
	// They come last, so what is under way is done with first.
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
	keys := map[vectorstore.VerdictKey]bool{}
	for _, raw := range data {
		for _, d := range stream.Decode(stream.Record{Data: raw, ArrivedAt: time.Now()}) {
			if d.EventID != "" {
				keys[vectorstore.VerdictKey{EventID: d.EventID, Digest: d.Digest}] = true
			}
		}
	}
	began := time.Now()
	for len(keys) > 0 {
		ask := make([]vectorstore.VerdictKey, 0, len(keys))
		for k := range keys {
			ask = append(ask, k)
		}
		got, err := s.store.Verdicts(s.t.Context(), ask)
		if err == nil {
			for k := range got {
				delete(keys, k)
			}
		}
		if time.Since(began) > 2*time.Minute {
			require.FailNow(s.t, "no verdict", "%d of %d events have none, such as %v; the mapping: %+v", len(keys), len(data), ask[0], s.mapping.Status())
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Logf("%d records settled %s after the end", len(data), time.Since(began).Round(time.Millisecond))
}

// sample is what the parts hold at a moment.
type sample struct {
	rss         int64 // bytes of the largest process of the function
	goroutines  int   // of everything else
	connections int
}

// watch takes samples.
func (s *soak) watch(ctx context.Context) {
	for s.pause(ctx, time.Second) {
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
	s.t.Logf("at most, in the first and the last third: resident memory of a function %d and %d MiB, goroutines %d and %d, Postgres processes %d and %d",
		first.rss>>20, last.rss>>20, first.goroutines, last.goroutines, first.connections, last.connections)
	require.LessOrEqual(s.t, last.rss, first.rss+first.rss/2+(32<<20))
	require.LessOrEqual(s.t, last.goroutines, first.goroutines*3/2+50)
	require.LessOrEqual(s.t, last.connections, first.connections+10)
}
