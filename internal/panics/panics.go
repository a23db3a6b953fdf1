// Package panics turns recovered panics into errors that include their stack, so
// that the log shows where the panic occurred.
package panics

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Error is a recovered panic.
type Error struct {
	Value any    // the value passed to panic
	Stack string // of the goroutine at the panic; arguments appear as memory words, never as text
}

// New creates an error from the value returned by recover. Call it in the deferred
// function that recovers: only there does the stack still include the panic.
func New(value any) *Error {
	return &Error{Value: value, Stack: string(debug.Stack())}
}

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value passed to panic if it is an error.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Catch calls fn and returns its error, or its panic as an error.
func Catch(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = New(p)
		}
	}()
	return fn()
}

// LogAttributes returns the attribute "stack" of a log entry about err, in the form
// that slog and Temporal's loggers accept. It is empty if err is not a panic.
func LogAttributes(err error) []any {
	var p *Error
	if !errors.As(err, &p) {
		return nil
	}
	return []any{"stack", p.Stack}
}
