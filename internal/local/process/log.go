package process

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// tailWindow is how many bytes at the end of a log are read.
const tailWindow = 1 << 20

// Tail returns the last n lines of a file at or after an offset, and the offset
// after them.
func Tail(path string, from int64, n int) ([]string, int64, error) {
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
		from = 0 // the log was rotated in the meantime
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

// Lines returns the whole lines after an offset and the offset after them.
func Lines(path string, from int64) ([]string, int64) {
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
