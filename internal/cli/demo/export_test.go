package demo

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
)

// Subjects picks whom and what a demo shows.
func Subjects(ctx context.Context, a *app.App) (users, items []string, last time.Time, err error) {
	return (&demo{App: a}).subjects(ctx)
}

// FirstOf is the first n items of a user's list.
func FirstOf(ctx context.Context, a *app.App, user string, n int) ([]string, error) {
	return (&demo{App: a}).firstOf(ctx, user, n)
}
