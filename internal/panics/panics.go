// Package panics turns recovered panics into errors that keep their stack, so
// that whoever logs the error can say where the panic was. It decides nothing
// about what becomes of the error.
package panics

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Error is a panic that was recovered.
type Error struct {
	Value any    // what panic was called with
	Stack string // of the goroutine at the panic; arguments are in it as words of memory, never as text
}

// New makes an error of what recover returned. Call it in the deferred function
// that recovers: only there does the stack still lead to the panic.
func New(value any) *Error {
	return &Error{Value: value, Stack: string(debug.Stack())}
}

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the error that panic was called with, if it was one.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// LogAttributes is the attribute "stack" for a log entry about err, in the form
// that slog and Temporal's loggers take: none when no panic is behind err.
func LogAttributes(err error) []any {
	var p *Error
	if !errors.As(err, &p) {
		return nil
	}
	return []any{"stack", p.Stack}
}
