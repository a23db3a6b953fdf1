package progress

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// buffer is a writer that several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestPrinter(t *testing.T) {
	t.Run("prints plain lines without escape codes elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out buffer
			p := New(&out)
			task := p.Start("s3", "starting")
			time.Sleep(10 * time.Millisecond)
			task.Done("ready on %s", "127.0.0.1:1")
			require.Equal(t, "… s3: starting\n✓ s3        ready on 127.0.0.1:1\n", out.String())
		})
	})
	t.Run("is never silent for more than two seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out buffer
			task := New(&out).Start("temporal", "compiling")
			for seen := 0; seen < 5; seen++ {
				before := out.String()
				time.Sleep(2 * time.Second)
				require.NotEqual(t, before, out.String())
			}
			require.Contains(t, out.String(), "compiling · 8s")
			task.Fail()
			require.Contains(t, out.String(), "✗ temporal")
		})
	})
	t.Run("redraws in place on a terminal and leaves the finished lines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out buffer
			p := &Printer{w: &out, fancy: true, width: func() int { return 30 }}
			a, b := p.Start("a", "first"), p.Start("b", strings.Repeat("long ", 20))
			a.Done("good")
			b.Done("good")
			require.Contains(t, out.String(), "\x1b[2A\x1b[J✓ a         good\n")
			require.Contains(t, out.String(), "…\n") // clipped, so it cannot wrap
			require.True(t, strings.HasSuffix(out.String(), "✓ b         good\n"))
		})
	})
	t.Run("prints nothing when discarded", func(t *testing.T) {
		p := Discard()
		task := p.Start("a", "b")
		task.Update("c")
		p.Printf("d")
		task.Done("e")
	})
}
