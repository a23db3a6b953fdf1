package demo

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
)

// Subjects returns the users and items of the demo.
func Subjects(ctx context.Context, a *app.App) (users, items []string, last time.Time, err error) {
	return (&demo{App: a}).subjects(ctx)
}

// FirstOf returns the first n items of a user's list.
func FirstOf(ctx context.Context, a *app.App, user string, n int) ([]string, error) {
	return (&demo{App: a}).firstOf(ctx, user, n)
}
