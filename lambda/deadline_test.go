package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// within handles a batch with a deadline and checks that the response is in
// time.
func (b *bundle) within(limit time.Duration, in lambdaevents.KinesisEvent) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	out, err := b.Handle(ctx, in)
	require.NoError(b.t, err)
	require.NoError(b.t, ctx.Err(), "it responds before its deadline")
	if len(out.BatchItemFailures) == 0 {
		return ""
	}
	return out.BatchItemFailures[0].ItemIdentifier
}

func TestHandler_meets_its_deadline(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	const n, limit = 20, 1500 * time.Millisecond
	sent := make([]recsys.Event, n)
	for i := range sent {
		sent[i] = click(fmt.Sprintf("u%05d", i), 10+i, i)
	}
	t.Run("it delivers the lists that were found in time and retries the rest", func(t *testing.T) {
		in := b.batch(sent...)
		b.injects(t, "slow search")
		b.faults.before = func(step string) error {
			if step == "search 8" {
				b.faults.inject("slow search")
				<-time.After(limit * 7 / 10) // a search that takes longer than the time left
				// The driver may have received the other results before.
				return context.DeadlineExceeded
			}
			return nil
		}
		answer := b.within(limit, in)
		b.faults.before = nil
		done := len(b.lists())
		assert.GreaterOrEqual(t, done, 7)
		require.Less(t, done, n)
		assert.Equal(t, sequence(done+1), answer, "the first unfinished record")
		assert.Len(t, b.delivered(), n, "the events are stored and delivered for the next training at once")
		require.Empty(t, b.handle(from(in, answer)))
		assert.Len(t, b.last(), n)
		assert.Len(t, b.delivered(), n+len(from(in, answer).Records), "only lists of unfinished events are sent again")
	})
	t.Run("it does not wait for a delivery stream that hangs", func(t *testing.T) {
		in := b.batch(click("u00100", 3, 50))
		b.injects(t, "delivery stream hangs")
		b.out.hang = true
		assert.Equal(t, in.Records[0].Kinesis.SequenceNumber, b.within(limit, in))
		b.out.hang = false
		assert.Empty(t, b.within(limit, in))
	})
}

const postgresHangs = "Postgres hangs"

// A server that is stopped in the middle of a step neither closes connections
// nor responds.
func TestHandler_meets_its_deadline_while_Postgres_hangs(t *testing.T) {
	t.Parallel()
	server := pgservertest.Server(t)
	require.NoError(t, postgres.Migrate(t.Context(), server.URL("postgres")))
	b := &bundle{t: t, db: postgrestest.Open(t, server.URL("postgres"))}
	b.version = postgrestest.Build(t, b.db, postgrestest.Fixture{})
	b.promote(b.version)
	b.restart()
	b.Search = inPostgres
	require.Empty(t, b.send(click("u00001", 1, 1)))
	for n, step := range []string{"store", "read", "search", "verdicts"} {
		t.Run("it responds in time when the server hangs before the step "+step, func(t *testing.T) {
			var stopped []int
			b.injects(t, postgresHangs)
			b.faults.before = func(s string) error {
				if s == step && stopped == nil {
					stopped = signal(t, server.PID(), syscall.SIGSTOP)
					b.faults.inject(postgresHangs)
				}
				return nil
			}
			in := b.batch(click("u00001", 10+n, 10+n), click("newcomer", 10+n, 10+n))
			answer := b.within(2*time.Second, in)
			b.faults.before = nil
			require.NotEmpty(t, stopped)
			assert.Equal(t, in.Records[0].Kinesis.SequenceNumber, answer)
			for _, pid := range stopped {
				require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
			}
			require.Eventually(t, func() bool { return b.within(20*time.Second, in) == "" }, 60*time.Second, time.Millisecond)
			assert.Equal(t, b.list("newcomer").RecommendationID, b.last()["newcomer"].RecommendationID)
		})
	}
	t.Run("it responds in time with nothing to retry when the server hangs while items are loaded", func(t *testing.T) {
		b.Search = inMemory
		var stopped []int
		b.injects(t, postgresHangs)
		b.faults.before = func(s string) error {
			if s == "hold" && stopped == nil {
				stopped = signal(t, server.PID(), syscall.SIGSTOP)
				b.faults.inject(postgresHangs)
			}
			return nil
		}
		assert.Empty(t, b.within(2*time.Second, b.batch(click("u00001", 30, 30))))
		require.NotEmpty(t, stopped)
		for _, pid := range stopped {
			require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
		}
		require.Eventually(t, func() bool { return b.within(20*time.Second, b.batch(click("u00001", 31, 31))) == "" }, 60*time.Second, time.Millisecond)
		assert.Zero(t, b.reader.ItemsInMemory(), "it does not try again at once")
		later := time.Now().Add(loadRetryAfter)
		b.Now = func() time.Time { return later }
		require.Empty(t, b.within(20*time.Second, b.batch(click("u00001", 32, 32))))
		assert.Equal(t, 400, b.reader.ItemsInMemory())
	})
}

// An unavailable database delays records and loses none.
func TestHandler_retries_while_Postgres_is_unavailable(t *testing.T) {
	t.Parallel()
	server := pgservertest.Server(t)
	address := server.URL("postgres")
	require.NoError(t, postgres.Migrate(t.Context(), address))
	b := &bundle{t: t, db: postgrestest.Open(t, address)}
	b.version = postgrestest.Build(t, b.db, postgrestest.Fixture{})
	b.promote(b.version)
	b.restart()
	own, err := postgres.Open(t.Context(), postgres.Options{URL: address, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(own.Close)
	b.Open = opener(postgrestest.Of(own))
	require.Empty(t, b.send(click("u00001", 1, 1)))
	execute := func(statements ...string) {
		conn, err := pgx.Connect(t.Context(), address)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		for _, s := range statements {
			_, err := conn.Exec(t.Context(), s)
			require.NoError(t, err)
		}
	}
	leave := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
	var taken []*pgx.Conn
	for n, c := range []struct {
		name       string
		begin, end func()
	}{
		{"stopped", func() { require.NoError(t, server.Stop(t.Context(), pgserver.Fast)) },
			func() { require.NoError(t, server.Start(t.Context())) }},
		{"crashed and restarted", func() { require.NoError(t, server.Stop(t.Context(), pgserver.Immediate)) },
			func() { require.NoError(t, server.Start(t.Context())) }},
		{"read-only", func() {
			execute("ALTER DATABASE postgres SET default_transaction_read_only = on", leave)
		}, func() {
			execute("SET default_transaction_read_only = off", "ALTER DATABASE postgres RESET default_transaction_read_only", leave)
		}},
		{"out of connections", func() {
			execute(leave)
			for {
				conn, err := pgx.Connect(t.Context(), address)
				if err != nil {
					break
				}
				taken = append(taken, conn)
			}
		}, func() {
			for _, conn := range taken {
				conn.Close(t.Context())
			}
		}},
	} {
		t.Run("it retries the records while the database is "+c.name, func(t *testing.T) {
			b.t = t
			kind := "Postgres " + c.name
			b.injects(t, kind)
			c.begin()
			b.faults.inject(kind)
			in := b.batch(click("u00001", 10+n, 10+n), click("newcomer", 10+n, 10+n))
			for range 2 {
				began := time.Now()
				assert.Equal(t, in.Records[0].Kinesis.SequenceNumber, b.within(3*time.Second, in))
				assert.Greater(t, time.Since(began), time.Second, "it waits for the database: the mapping may retry at once")
			}
			c.end()
			require.Eventually(t, func() bool { return b.within(10*time.Second, in) == "" }, 60*time.Second, time.Millisecond)
			states, _, err := postgrestest.Of(own).UserStates(t.Context(), b.version, []string{"newcomer"})
			require.NoError(t, err)
			assert.Len(t, states[0].Events, n+1)
			assert.Len(t, b.last()["newcomer"].Items, b.ListLength)
		})
	}
}

func TestHandler_waits_for_Postgres_within_an_invocation(t *testing.T) {
	t.Parallel()
	server := pgservertest.Server(t)
	address := server.URL("postgres")
	require.NoError(t, postgres.Migrate(t.Context(), address))
	b := &bundle{t: t, db: postgrestest.Open(t, address)}
	b.version = postgrestest.Build(t, b.db, postgrestest.Fixture{})
	b.promote(b.version)
	b.restart()
	b.injects(t, "Postgres stopped")
	for n, name := range []string{"before the first batch", "between batches"} {
		t.Run("it finishes a batch if the database returns, "+name, func(t *testing.T) {
			b.t = t
			require.NoError(t, server.Stop(t.Context(), pgserver.Fast))
			b.faults.inject("Postgres stopped")
			started := make(chan error, 1)
			time.AfterFunc(500*time.Millisecond, func() { started <- server.Start(context.WithoutCancel(t.Context())) })
			assert.Empty(t, b.within(90*time.Second, b.batch(click("u00001", 10+n, 10+n))))
			require.NoError(t, <-started)
		})
	}
}

// signal sends a signal to a process and its children, the process last so that
// it starts no new ones, and returns their ids in the order in which to
// continue them.
func signal(t *testing.T, pid int, s syscall.Signal) []int {
	all := append([]int{pid}, children(t, pid)...)
	for _, p := range all {
		require.NoError(t, syscall.Kill(p, s))
	}
	return all
}

func children(t *testing.T, parent int) (out []int) {
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // already gone
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			out = append(out, pid)
		}
	}
	return out
}
