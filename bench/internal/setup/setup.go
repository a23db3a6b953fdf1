// Package setup is shared by the benchmarks: it starts a Postgres and parses sizes.
package setup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/postgres"
)

// Database is the name of the migrated database on the server that Postgres starts.
const Database = "bench"

// Postgres starts a server with its data in dir. unsafe makes it not wait for the
// disk.
func Postgres(ctx context.Context, dir string, unsafe bool) (*pgserver.Server, error) {
	s, err := pgservertest.New(dir)
	if err != nil {
		return nil, err
	}
	s.Unsafe = unsafe
	if err := pgservertest.Start(ctx, s); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+Database)
		conn.Close(ctx)
	}
	if err == nil {
		err = postgres.Migrate(ctx, s.URL(Database))
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx), pgserver.Immediate))
	}
	return s, nil
}

// Size parses a number with an optional suffix k or m.
func Size(text string) (int, error) {
	factor, digits := 1, strings.ToLower(text)
	if rest, ok := strings.CutSuffix(digits, "k"); ok {
		factor, digits = 1_000, rest
	} else if rest, ok := strings.CutSuffix(digits, "m"); ok {
		factor, digits = 1_000_000, rest
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("-size %q is not a number of items; use 50k or 1m", text)
	}
	return n * factor, nil
}

// Live returns the address of the local stack's database, or RECFLOW_DATABASE_URL.
func Live() (string, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return "", err
	}
	vars, err := stack.LoadEnv(local.Home)
	if err != nil {
		return "", err
	}
	c, err := config.ReadClient(vars)
	if err != nil {
		return "", err
	}
	if c.Database.URL == "" {
		return "", errors.New("no local stack here and no RECFLOW_DATABASE_URL; start one with `recflow up`, or pass -size 100k")
	}
	return c.Database.URL, nil
}
