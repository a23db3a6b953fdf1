package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

const followEvery = 200 * time.Millisecond

// LogOptions select what Logs prints.
type LogOptions struct {
	Part   string // empty: all
	Lines  int    // per part, from the end
	Follow bool   // follow until ctx ends
}

// Logs prints the last lines of the parts' logs. With several parts each line is
// prefixed with its part.
func (s *Stack) Logs(ctx context.Context, w io.Writer, o LogOptions) error {
	var selected []Part
	var names []string
	for _, p := range s.Parts() {
		names = append(names, p.Name())
		if o.Part == "" || o.Part == p.Name() {
			selected = append(selected, p)
		}
	}
	if len(selected) == 0 {
		return fmt.Errorf("there is no part %q; choose one of %s", o.Part, strings.Join(names, ", "))
	}
	offsets := make([]int64, len(selected))
	prefix := func(p Part) string {
		if len(selected) == 1 {
			return ""
		}
		return fmt.Sprintf("%-9s ", p.Name())
	}
	for i, p := range selected {
		lines, end, err := process.Tail(p.Proc().LogPath(), 0, o.Lines)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		offsets[i] = end
		for _, line := range lines {
			fmt.Fprintln(w, prefix(p)+line)
		}
	}
	for o.Follow && pause(ctx, followEvery) == nil {
		for i, p := range selected {
			var lines []string
			lines, offsets[i] = process.Lines(p.Proc().LogPath(), offsets[i])
			for _, line := range lines {
				fmt.Fprintln(w, prefix(p)+line)
			}
		}
	}
	return nil
}
