package glue

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	errorPrefix = "RECFLOW_ERROR "
	category    = "Error Category: UNCLASSIFIED_ERROR; " // of an exception, as Glue 5 writes it
	tailBytes   = 64 << 10                               // of the output that are searched for the reason
	tailLines   = 20                                     // of the output that serve as a reason
	maxMessage  = 4 << 10                                // bytes of an error message
)

// failure returns why a job ended with a status other than 0. A shell reports a
// signal as 128 + its number, so a job that exits with such a status itself is
// reported as killed.
func failure(dir string, status int) string {
	reason, reported := reasonIn(dir)
	if signal := syscall.Signal(status - 128); signal > 0 && signal <= 64 {
		return bounded(fmt.Sprintf("the job was ended by signal %d (%s)", int(signal), signal), reason)
	}
	if reported {
		return bounded(category+reason, "")
	}
	return bounded(fmt.Sprintf("the job ended with exit status %d", status), reason)
}

// vanished is the reason of a run whose process is gone without an exit status.
func vanished(dir string) string {
	reason, _ := reasonIn(dir)
	return bounded("the job's process is gone and left no exit status: it was killed, or the machine was restarted", reason)
}

// reasonIn returns the job's own reason: its last RECFLOW_ERROR line (reported is
// true), or its last lines.
func reasonIn(dir string) (reason string, reported bool) {
	tail, err := readTail(filepath.Join(dir, outputFile), tailBytes)
	if err != nil {
		return "", false
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(tail), "�")), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if message, found := strings.CutPrefix(lines[i], errorPrefix); found {
			return strings.TrimSpace(message), true
		}
	}
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n"), false
}

// bounded joins the known reason and the output that explains it. It truncates
// output at its start and a message at its end.
func bounded(message, output string) string {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "")
	}
	room := maxMessage - len(message) - len(": …")
	switch {
	case output == "" || room <= 0:
		return message
	case len(output) > room:
		return message + ": …" + strings.ToValidUTF8(output[len(output)-room:], "")
	}
	return message + ": " + output
}

func readTail(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// A separate limit: a job that keeps writing must not keep this function
	// reading.
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-n), n))
}

// trimOutput truncates a log of more than limit bytes to its second half. The job
// appends to it; output written during the truncation may be lost.
func trimOutput(dir string, limit int64) error {
	path := filepath.Join(dir, outputFile)
	info, err := os.Stat(path)
	if err != nil || info.Size() <= limit {
		return err
	}
	tail, err := readTail(path, limit/2)
	if err != nil {
		return err
	}
	if _, rest, found := bytes.Cut(tail, []byte("\n")); found {
		tail = rest
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(append([]byte("[earlier output was dropped]\n"), tail...))
	return err
}
