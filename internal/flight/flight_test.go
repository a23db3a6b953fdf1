package flight_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/flight"
)

func TestRead_is_shared_by_concurrent_callers_of_a_key(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		var reads atomic.Int64
		read := func(context.Context) (int, error) {
			reads.Add(1)
			time.Sleep(time.Second) //nolint:forbidigo // the clock of the bubble
			return 7, nil
		}
		var group sync.WaitGroup
		for range 10 {
			for _, key := range []string{"a", "b"} {
				group.Go(func() {
					got, err := g.Read(t.Context(), key, time.Minute, read)
					assert.NoError(t, err)
					assert.Equal(t, 7, got)
				})
			}
		}
		group.Wait()
		require.EqualValues(t, 2, reads.Load())
		_, err := g.Read(t.Context(), "a", time.Minute, read)
		require.NoError(t, err)
		require.EqualValues(t, 3, reads.Load(), "a result is not cached")
	})
}

func TestRead_continues_for_others_when_a_caller_gives_up(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		end := make(chan struct{})
		read := func(ctx context.Context) (int, error) {
			select {
			case <-end:
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		first, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			_, err := g.Read(first, "", time.Minute, read)
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		group.Go(func() {
			got, err := g.Read(t.Context(), "", time.Minute, read)
			assert.NoError(t, err)
			assert.Equal(t, 7, got)
		})
		cancel()
		synctest.Wait()
		close(end)
		group.Wait()
	})
}

func TestRead_ends_at_its_timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		_, err := g.Read(t.Context(), "", time.Second, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestRead_returns_a_panic_as_an_error(t *testing.T) {
	t.Parallel()
	var g flight.Group[int]
	wrong := errors.New("wrong")
	_, err := g.Read(t.Context(), "", time.Minute, func(context.Context) (int, error) { panic(wrong) })
	require.ErrorIs(t, err, wrong)
}
