package e2e_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// TestEvent_counts_once sends events through the stream while trainings run,
// including late ones and duplicates, and continuously checks the users' state:
// every stored event counts once, either in the version's history or on top of it.
// Then it deletes an object of the next training's input, and follows the procedure to
// erase a user.
func TestEvent_counts_once(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	l.recflow("up", "--free-ports", "--quiet")
	l.importEvents()
	train := slices.Concat([]string{"refresh", "--wait"}, trainingFlags)
	l.recflow(train...)
	l.connect()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { l.produce(ctx) })
	group.Go(func() { l.watch(ctx) })
	l.recflow(train...)
	l.recflow(train...)
	cancel()
	group.Wait()

	require.Eventually(t, func() bool { return len(l.stored()) == len(l.sent) }, time.Minute, 50*time.Millisecond, "all events are stored")
	l.check()
	live, err := l.store.Live(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, live.Version.ID)
	states, _, err := l.store.UserStates(t.Context(), live.Version, l.users())
	require.NoError(t, err)
	uncovered := 0
	for _, s := range states {
		uncovered += len(s.Events)
	}
	t.Logf("%d checks; of %d streamed events version 3 covers %d, and %d are folded in on top",
		l.checks, len(l.sent), live.Manifest.Input.Streamed.Total(), uncovered)
	require.Positive(t, uncovered)
	require.Positive(t, live.Manifest.Input.Streamed.Count)
	require.Positive(t, live.Manifest.Input.Streamed.Baseline.Version)
	require.EqualValues(t, len(l.sent), int(live.Manifest.Input.Streamed.Total())+uncovered)

	faults := harnesstest.CountFaults(t)
	l.loseAnObject()
	faults.Inject("object lost")
	out, err := l.command(train...).CombinedOutput()
	require.Error(t, err, "a training that misses events is rejected")
	require.Regexp(t, `coverage +✗`, string(out))
	require.Contains(t, string(out), "GateRefused")

	l.eraseAUser("u0", train)
}

// loop is a local stack and the events sent to it.
type loop struct {
	t         *testing.T
	bin, home string
	imported  map[string]map[string]int // events by user and item

	store   *postgrestest.Store
	bucket  *awsclient.S3
	kinesis *awsclient.Kinesis

	// With a stack whose AWS is an emulator that enforces IAM.
	emulator string // URL
	services *services
	parts    map[string]map[string]string // variables by part

	mu     sync.Mutex
	sent   map[string]recsys.Event // by event id
	checks int
}

func newLoop(t *testing.T) *loop {
	local, err := config.ReadLocal()
	require.NoError(t, err)
	l := &loop{t: t, bin: clitest.Programs(t), home: filepath.Join(t.TempDir(), "home"), imported: map[string]map[string]int{}, sent: map[string]recsys.Event{}}
	t.Cleanup(func() { stopStack(t, l.bin, local.Cache, l.home) })
	return l
}

func (l *loop) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(l.bin, "recflow"), args...)
	cmd.Env = append(os.Environ(), "RECFLOW_HOME="+l.home)
	return cmd
}

func (l *loop) recflow(args ...string) {
	l.t.Helper()
	out, err := l.command(args...).CombinedOutput()
	require.NoError(l.t, err, "recflow %v: %s", args, out)
}

// importEvents imports 240 users in 4 groups; each has 20 of the 60 items of its
// group.
func (l *loop) importEvents() {
	path := filepath.Join(l.t.TempDir(), "events.csv")
	f, err := os.Create(path)
	require.NoError(l.t, err)
	w := csv.NewWriter(f)
	w.Write([]string{"user", "item", "timestamp", "event_type"})
	random := rand.New(rand.NewPCG(1, 1))
	for u := range 240 {
		user := fmt.Sprintf("u%d", u)
		l.imported[user] = map[string]int{}
		for n, i := range random.Perm(60)[:20] {
			item := itemOf(u, i)
			l.imported[user][item]++
			w.Write([]string{user, item, fmt.Sprintf("2026-0%d-%02dT10:00:00Z", 1+n%9, 1+i%28), "click"})
		}
	}
	w.Flush()
	require.NoError(l.t, errors.Join(w.Error(), f.Close()))
	l.recflow("import", path, "--quiet")
}

func itemOf(user, i int) string { return fmt.Sprintf("g%d-%d", user%4, i) }

const receivers = 40 // users who get events

func (l *loop) users() (ids []string) {
	for u := range receivers {
		ids = append(ids, fmt.Sprintf("u%d", u))
	}
	return ids
}

func (l *loop) connect() {
	vars, err := stack.LoadEnv(l.home)
	require.NoError(l.t, err)
	l.store = postgrestest.Open(l.t, vars["RECFLOW_DATABASE_URL"])
	aws, err := awsclient.Load(l.t.Context(), awsclient.OptionsFrom(vars))
	require.NoError(l.t, err)
	l.bucket, l.kinesis = awsclient.NewS3(aws, vars["RECFLOW_BUCKET"]), awsclient.NewKinesis(aws, vars["RECFLOW_STREAM"])
}

// produce sends about 50 events per second, up to two days old, one in ten twice.
func (l *loop) produce(ctx context.Context) {
	random := rand.New(rand.NewPCG(2, 2))
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var records []awsclient.StreamRecord
		l.mu.Lock()
		for range 10 {
			u := random.IntN(receivers)
			e := recsys.Event{
				EventID: fmt.Sprintf("e%d", n), UserID: fmt.Sprintf("u%d", u), ItemID: itemOf(u, random.IntN(60)), EventType: recsys.Click,
				OccurredAt: time.Now().Add(-time.Duration(random.IntN(48*3600)) * time.Second).UTC().Truncate(time.Microsecond),
			}
			if again := fmt.Sprintf("e%d", random.IntN(n+1)); n > 0 && random.IntN(10) == 0 {
				e = l.sent[again]
			} else {
				n++
			}
			if e.EventID == "" {
				continue
			}
			l.sent[e.EventID] = e
			records = append(records, awsclient.StreamRecord{PartitionKey: e.UserID, Data: stream.EncodeEvent(e)})
		}
		l.mu.Unlock()
		if _, err := l.kinesis.Put(context.WithoutCancel(ctx), records); err != nil {
			l.t.Error("put events:", err)
		}
	}
}

func (l *loop) watch(ctx context.Context) {
	// The pauses leave CPU time for the trainings.
	for harnesstest.Pause(ctx, 150*time.Millisecond) && !l.t.Failed() {
		l.check()
	}
}

// stored returns every streamed event of the users.
func (l *loop) stored() []recsys.Event {
	l.t.Helper()
	all, err := l.readStored(context.WithoutCancel(l.t.Context()))
	require.NoError(l.t, err)
	return all
}

func (l *loop) readStored(ctx context.Context) (all []recsys.Event, err error) {
	live, err := l.store.Live(ctx)
	if err != nil {
		return nil, err
	}
	live.Version.Coverage = recsys.Coverage{} // as if it covered nothing
	states, _, err := l.store.UserStates(ctx, live.Version, l.users())
	for _, s := range states {
		all = append(all, s.Events...)
	}
	return all, err
}

// check compares the users' state under the live version with the events stored
// before and after it is read.
func (l *loop) check() {
	require.NoError(l.t, l.compareState(context.WithoutCancel(l.t.Context())))
}

// compareState is check for a database that may be unavailable: it returns the
// error of a read, and fails the test if the state is wrong.
func (l *loop) compareState(ctx context.Context) error {
	before, err := l.readStored(ctx)
	if err != nil {
		return err
	}
	live, err := l.store.Live(ctx)
	if err != nil {
		return err
	}
	states, _, err := l.store.UserStates(ctx, live.Version, l.users())
	if err != nil {
		return err
	}
	after, err := l.readStored(ctx)
	if err != nil {
		return err
	}
	least, most := l.counts(before), l.counts(after)
	for _, s := range states {
		h := live.Manifest.Interest.Extend(s.History, s.Events)
		got := map[string]int{}
		for i, item := range h.Items {
			got[item] = int(h.Weights[i])
		}
		for item, n := range most[s.ID] {
			if got[item] < least[s.ID][item] || got[item] > n {
				l.t.Errorf("version %d counts %d events of %s on %s; between %d and %d are stored",
					live.Version.ID, got[item], s.ID, item, least[s.ID][item], n)
			}
		}
		if len(got) > len(most[s.ID]) {
			l.t.Errorf("version %d counts events of %s on %d items; %d have one", live.Version.ID, s.ID, len(got), len(most[s.ID]))
		}
	}
	l.checks++
	return nil
}

// counts returns how often each user's items must count, after the import and the
// streamed events.
func (l *loop) counts(streamed []recsys.Event) map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, user := range l.users() {
		out[user] = map[string]int{}
		for item, n := range l.imported[user] {
			out[user][item] = n
		}
	}
	for _, e := range streamed {
		out[e.UserID][e.ItemID]++
	}
	return out
}

// loseAnObject deletes one object of streamed events.
func (l *loop) loseAnObject() {
	live, err := l.store.Live(l.t.Context())
	require.NoError(l.t, err)
	for o, err := range l.bucket.List(l.t.Context(), "raw/events/") {
		require.NoError(l.t, err)
		uncovered := false
		require.NoError(l.t, awsclient.EachDelivered(l.t.Context(), l.bucket, o.Key, func(e recsys.Event) bool {
			uncovered = !live.Version.Coverage.Covers(e)
			return !uncovered
		}))
		if uncovered {
			require.NoError(l.t, l.bucket.DeleteObjects(l.t.Context(), o.Key))
			return
		}
	}
	require.Fail(l.t, "there is no object with events that the live version does not cover")
}

// eraseAUser follows docs/erase-a-user.md for one user. Other users keep their
// events, and the next version is promoted.
func (l *loop) eraseAUser(user string, train []string) {
	l.t.Helper()
	before := l.stored()
	vars, err := stack.LoadEnv(l.home)
	require.NoError(l.t, err)
	users := filepath.Join(l.t.TempDir(), "users.txt")
	require.NoError(l.t, os.WriteFile(users, []byte(user+"\n"), 0o600))
	page, err := os.ReadFile("../../docs/erase-a-user.md")
	require.NoError(l.t, err)
	script := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(page)
	require.NotNil(l.t, script)
	cmd := exec.Command(toolchaintest.Tools(l.t).Python, "-c", string(script[1]), vars["RECFLOW_BUCKET"], users, "raw/interactions/", "raw/events/", "recommendations/", "lists/")
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(l.t, err, string(out))
	require.Contains(l.t, string(out), "rows removed")
	statement := regexp.MustCompile("(?s)```sql\n(.*?)```").FindSubmatch(page)
	_, err = postgrestest.Conn(l.t, l.store).Exec(l.t.Context(), strings.ReplaceAll(string(statement[1]), "USERS", user))
	require.NoError(l.t, err)

	// An object was lost before.
	l.recflow("coverage", "accept", "--reason", "erasure request 17")
	l.recflow(train...)
	live, err := l.store.Live(l.t.Context())
	require.NoError(l.t, err)
	states, _, err := l.store.UserStates(l.t.Context(), live.Version, l.users())
	require.NoError(l.t, err)
	for _, s := range states {
		known := len(s.History.Items) > 0 || len(s.Events) > 0
		require.Equal(l.t, s.ID != user, known, s.ID)
	}
	kept := slices.DeleteFunc(before, func(e recsys.Event) bool { return e.UserID == user })
	require.ElementsMatch(l.t, kept, l.stored(), "other users keep their events")
}
