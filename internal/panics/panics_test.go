package panics_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/panics"
)

//go:noinline
func breaksOn(userID string, of []int) int {
	return of[len(userID)]
}

func recovered(fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fold in: %w", panics.New(p))
		}
	}()
	fn()
	return nil
}

func TestAnErrorLeadsToThePanicWithoutTheArguments(t *testing.T) {
	t.Parallel()
	err := recovered(func() { breaksOn("user-secret", nil) })
	require.EqualError(t, err, "fold in: panic: runtime error: index out of range [11] with length 0")
	attributes := panics.LogAttributes(errors.Join(io.EOF, err))
	require.Len(t, attributes, 2)
	require.Equal(t, "stack", attributes[0])
	require.Contains(t, attributes[1], "panics_test.breaksOn(")
	require.Contains(t, attributes[1], "panics_test.go:")
	require.NotContains(t, attributes[1], "user-secret")
}

func TestAnErrorIsWhatPanicWasCalledWith(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, recovered(func() { panic(io.ErrUnexpectedEOF) }), io.ErrUnexpectedEOF)
	require.EqualError(t, recovered(func() { panic("text") }), "fold in: panic: text")
}

func TestOtherErrorsHaveNoStack(t *testing.T) {
	t.Parallel()
	require.Empty(t, panics.LogAttributes(io.EOF))
	require.Empty(t, panics.LogAttributes(nil))
}
