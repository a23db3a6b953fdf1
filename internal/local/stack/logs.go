package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	tailWindow  = 1 << 20 // bytes at the end of a log that are looked at
	followEvery = 200 * time.Millisecond
)

// LogOptions select what Logs prints.
type LogOptions struct {
	Part   string // empty: all
	Lines  int    // of each part, from the end
	Follow bool   // go on until ctx ends
}

// Logs prints the last lines of the parts' logs. With several parts each line
// is preceded by its part.
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
		lines, end, err := tailFile(p.Proc().logPath(), 0, o.Lines)
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
			lines, offsets[i] = readFrom(p.Proc().logPath(), offsets[i])
			for _, line := range lines {
				fmt.Fprintln(w, prefix(p)+line)
			}
		}
	}
	return nil
}

// tailFile returns the last n lines of a file at or after an offset, and the
// offset after them.
func tailFile(path string, from int64, n int) ([]string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	end := info.Size()
	if from > end {
		from = 0 // the log was set aside meanwhile
	}
	start := max(from, end-tailWindow)
	data := make([]byte, end-start)
	if _, err := f.ReadAt(data, start); err != nil && err != io.EOF {
		return nil, 0, err
	}
	lines := split(data)
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return lines, end, nil
}

// readFrom returns the whole lines after an offset and the offset after them.
func readFrom(path string, from int64) ([]string, int64) {
	info, err := os.Stat(path)
	if err != nil || info.Size() == from {
		return nil, from
	}
	if info.Size() < from {
		from = 0
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, from
	}
	defer f.Close()
	data := make([]byte, min(info.Size()-from, tailWindow))
	n, _ := f.ReadAt(data, from)
	whole := bytes.LastIndexByte(data[:n], '\n') + 1
	return split(data[:whole]), from + int64(whole)
}

func split(data []byte) []string {
	text := strings.TrimRight(string(data), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
