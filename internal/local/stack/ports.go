package stack

import (
	"errors"
	"fmt"
	"net"

	"github.com/recflow/recflow/internal/local/process"
)

// checkPorts tries every port that the given parts will listen on, and reports all
// that are in use, with the process where known.
func checkPorts(parts []Part) error {
	var errs []error
	for _, part := range parts {
		for _, port := range part.Ports() {
			if err := free(port); err != nil {
				errs = append(errs, fmt.Errorf("port %d, needed by %s, %w", port, part.Name(), err))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w\nstop what uses them, or choose others: recflow up --port-offset 100, or --free-ports", errors.Join(errs...))
}

// free returns an error if the port cannot be listened on.
func free(port int) error {
	l, err := net.Listen("tcp", loopback(port))
	if err == nil {
		return l.Close()
	}
	if pid, command := process.PortHolder(port); pid > 0 {
		return fmt.Errorf("is in use by %s (pid %d)", command, pid)
	}
	return fmt.Errorf("cannot be used: %w", err)
}
