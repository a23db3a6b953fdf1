package eventsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
)

// childDir makes the test binary run a mapping in that directory until it is
// killed.
const childDir = "EVENTSOURCE_TEST_DIR"

// runChild appends the IDs of every batch to the file seen.
func runChild(dir string) error {
	c, err := awsclient.Load(context.Background(), awsclient.Options{})
	if err != nil {
		return err
	}
	seen, err := os.OpenFile(filepath.Join(dir, "seen"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	m, err := New(Options{
		Kinesis: awsclient.NewKinesis(c, streamName).API(), Stream: streamName,
		Function: func(_ context.Context, payload []byte) ([]byte, string, error) {
			_, err := seen.WriteString(strings.Join(readBatch(payload).ids, "\n") + "\n")
			return nil, "", err
		},
		BatchSize: 5, Parallelization: 3, CheckpointDir: filepath.Join(dir, "checkpoints"),
		PollEvery: time.Millisecond, ShardsEvery: 10 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	return errors.Join(m.Run(context.Background()), errors.New("it ended by itself"))
}

func TestMapping_survives_kills_of_its_process(t *testing.T) {
	t.Parallel()
	f, dir := newFixture(t, 2), t.TempDir()
	env := f.server.Env(t)
	seen := func() []string {
		data, _ := os.ReadFile(filepath.Join(dir, "seen"))
		return strings.Fields(string(data))
	}
	distinct := func() map[string]bool {
		all := map[string]bool{}
		for _, id := range seen() {
			all[id] = true
		}
		return all
	}
	total := 0
	put := func(n int) {
		for range n {
			f.put(fmt.Sprintf("%c/%05d", 'a'+total%7, total))
			total++
		}
	}
	faults := harnesstest.CountFaults(t, "kill amid records")
	for round := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(child.Environ(), childDir+"="+dir)
		for name, value := range env {
			child.Env = append(child.Env, name+"="+value)
		}
		child.Stderr = t.Output()
		require.NoError(t, child.Start())
		t.Cleanup(func() { _ = child.Process.Kill() }) // when the test ends early
		put(300)
		if round == 4 {
			f.eventually(func() bool { return len(distinct()) == total }, "the last records")
		} else {
			want := total - 200
			f.eventually(func() bool { return len(distinct()) >= want }, "%d records seen", want)
			put(100) // there is always work left
		}
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
		if len(distinct()) < total {
			faults.Inject("kill amid records")
		}
		if round == 1 {
			require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0]))
		}
	}
	first, last := map[string]bool{}, map[string]string{}
	for _, id := range seen() {
		if !first[id] {
			require.Greater(t, id, last[key(id)], "out of order")
			first[id], last[key(id)] = true, id
		}
	}
	require.Less(t, len(seen()), 2*total, "it continues at its checkpoints")
}
