package e2e_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/faultproxy"
	"github.com/recflow/recflow/internal/harnesstest"
)

// soakFault is a kind of fault. do injects it and returns when the part works again.
type soakFault struct {
	name string
	do   func(name string)
}

// injectFaults makes one part after the other fail, each at least once, for at least
// the given time, and on a slow machine until every kind of work was done.
func (s *soak) injectFaults(length time.Duration) {
	kinds := []soakFault{
		{"function killed", s.killFunction},
		{"function stopped", func(name string) { s.suspend(name, s.function, 5*time.Second) }},
		{"Postgres crashed", s.crashPostgres},
	}
	// An emulator that is killed loses the stream, which Kinesis does not.
	for _, part := range []string{"worker", "api", "stream", "firehose", "glue", "temporal"} {
		kinds = append(kinds, soakFault{part + " killed", func(name string) { s.kill(name, part) }})
	}
	for _, part := range []string{"worker", "api", "postgres", "s3", "temporal", "firehose"} {
		kinds = append(kinds, soakFault{part + " stopped", func(name string) {
			s.suspend(name, func() []int { return descendants(s.mustPID(part)) }, 4*time.Second)
		}})
	}
	for _, service := range []string{"S3", "Kinesis", "Firehose"} {
		for _, fault := range []faultproxy.Fault{faultproxy.Refused, faultproxy.Lost, faultproxy.Late} {
			kinds = append(kinds, soakFault{service + " " + string(fault), func(name string) { s.degrade(name, service, fault) }})
		}
	}
	// The endpoint of the training job is called a few times only.
	for _, fault := range []faultproxy.Fault{faultproxy.Refused, faultproxy.Lost, faultproxy.Late} {
		s.proxies["Glue"].Set(fault, 0.1)
	}
	for _, k := range kinds {
		s.faults.Promise(k.name)
	}
	began := time.Now()
	for round := 0; ; round++ {
		for _, i := range s.random.Perm(len(kinds)) {
			if s.t.Failed() || round > 0 && time.Since(began) > length && (s.worked() || time.Since(began) > length+slowest) {
				s.t.Logf("%d rounds of %d kinds of faults in %s", round, len(kinds), time.Since(began).Round(time.Second))
				for _, p := range s.proxies {
					for _, fault := range []faultproxy.Fault{faultproxy.Refused, faultproxy.Lost, faultproxy.Late} {
						p.Set(fault, 0)
					}
				}
				return
			}
			from := time.Now()
			s.t.Logf("%s %s", from.UTC().Format("15:04:05.000"), kinds[i].name)
			kinds[i].do(kinds[i].name)
			s.mu.Lock()
			s.outages = append(s.outages, outage{kinds[i].name, from, time.Now()})
			s.mu.Unlock()
			harnesstest.Pause(s.t.Context(), s.upTo(2*time.Second)) // the next part fails at any moment
		}
	}
}

// slowest is how much longer the faults last on a slow machine.
const slowest = 8 * time.Minute

// worked reports whether a training and lists have succeeded and the live version was
// changed by hand.
func (s *soak) worked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended["training succeeded"] > 0 && s.ended["lists succeeded"] > 0 && s.ended["rollback"]+s.ended["promotion by hand"] > 0
}

func (s *soak) upTo(most time.Duration) time.Duration {
	return time.Duration(s.random.Int64N(int64(most)))
}

// kill kills a part, and starts it again as ECS and Lambda would.
func (s *soak) kill(name, part string) {
	require.NoError(s.t, syscall.Kill(s.mustPID(part), syscall.SIGKILL))
	s.faults.Inject(name)
	harnesstest.Pause(s.t.Context(), s.upTo(2*time.Second))
	s.up()
}

// up starts the parts that do not run. If one does not become ready, the stacks of its
// goroutines are in its log.
func (s *soak) up() {
	out, err := s.command("up", "--quiet").CombinedOutput()
	if err != nil {
		for _, part := range []string{"temporal", "worker", "api", "stream", "glue", "firehose"} {
			if pid := s.findPID(part); pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGQUIT)
			}
		}
		harnesstest.Pause(s.t.Context(), time.Second)
	}
	require.NoError(s.t, err, string(out))
}

// crashPostgres has every server process exit at once, without a checkpoint.
func (s *soak) crashPostgres(name string) {
	require.NoError(s.t, syscall.Kill(s.mustPID("postgres"), syscall.SIGQUIT))
	s.faults.Inject(name)
	harnesstest.Eventually(s.t, "Postgres has ended", func() bool { return s.findPID("postgres") == 0 })
	harnesstest.Pause(s.t.Context(), s.upTo(2*time.Second))
	s.up()
}

// killFunction kills one of the function's processes.
func (s *soak) killFunction(name string) {
	harnesstest.Eventually(s.t, name, func() bool {
		pids := s.function()
		return len(pids) > 0 && syscall.Kill(pids[s.random.IntN(len(pids))], syscall.SIGKILL) == nil
	})
	s.faults.Inject(name)
}

// suspend stops processes for a while.
func (s *soak) suspend(name string, find func() []int, most time.Duration) {
	var stopped []int
	harnesstest.Eventually(s.t, name, func() bool {
		for _, pid := range find() {
			if syscall.Kill(pid, syscall.SIGSTOP) == nil {
				stopped = append(stopped, pid)
			}
		}
		return len(stopped) > 0
	})
	s.faults.Inject(name)
	harnesstest.Pause(s.t.Context(), s.upTo(most))
	for _, pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
	}
}

// degrade makes a share of the calls of a service fail for a while, until at least
// one has failed.
func (s *soak) degrade(name, service string, fault faultproxy.Fault) {
	before := s.faults.Injected(name)
	s.proxies[service].Set(fault, 0.1+0.6*s.random.Float64())
	harnesstest.Pause(s.t.Context(), time.Second+s.upTo(2*time.Second))
	harnesstest.Eventually(s.t, name, func() bool { return s.faults.Injected(name) > before })
	s.proxies[service].Set(fault, 0)
}

// watch records the memory of the function.
func (s *soak) watch(ctx context.Context, _ *rand.Rand) {
	for harnesstest.Pause(ctx, time.Second) {
		for _, pid := range s.function() {
			rss := resident(pid)
			s.mu.Lock()
			s.memory = max(s.memory, rss)
			s.mu.Unlock()
		}
	}
}
