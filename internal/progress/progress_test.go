package progress

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
)

func TestPrinter(t *testing.T) {
	t.Run("prints plain lines without escape codes elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out harnesstest.Buffer
			p := New(&out)
			task := p.Start("s3", "starting")
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // on the fake clock of synctest
			task.Done("ready on %s", "127.0.0.1:1")
			require.Equal(t, "… s3: starting\n✓ s3        ready on 127.0.0.1:1\n", out.String())
		})
	})
	t.Run("prints at least every two seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out harnesstest.Buffer
			task := New(&out).Start("temporal", "compiling")
			for seen := 0; seen < 5; seen++ {
				before := out.String()
				time.Sleep(2 * time.Second) //nolint:forbidigo // on the fake clock of synctest
				require.NotEqual(t, before, out.String())
			}
			require.Contains(t, out.String(), "compiling · 8s")
			task.Fail()
			require.Contains(t, out.String(), "✗ temporal")
		})
	})
	t.Run("redraws in place on a terminal and leaves the finished lines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out harnesstest.Buffer
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
