// Package flight lets concurrent callers share the result of one read.
package flight

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/recflow/recflow/internal/panics"
)

// Group shares reads of values of type T. The zero value is ready. It is safe for
// concurrent use.
type Group[T any] struct{ group singleflight.Group }

// Read returns the result of read. While a read of the same key is in progress, it
// waits for that one instead. The read has a timeout of its own and continues when
// the caller that began it no longer waits; each caller waits until its ctx ends. A
// panic in read is an error.
func (g *Group[T]) Read(ctx context.Context, key string, timeout time.Duration, read func(context.Context) (T, error)) (T, error) {
	result := g.group.DoChan(key, func() (v any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = panics.New(p)
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		return read(ctx)
	})
	var zero T
	select {
	case r := <-result:
		if r.Err != nil {
			return zero, r.Err
		}
		return r.Val.(T), nil
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}
