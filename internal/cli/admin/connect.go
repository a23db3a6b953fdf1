package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres"
)

// statementTimeout limits each statement of a command, of which a person waits for
// the result.
const statementTimeout = time.Minute

// databaseOptions returns the address of the running system's database, and the
// authentication.
func databaseOptions(ctx context.Context, a *app.App) (postgres.Options, error) {
	all, err := a.ClientConfig()
	if err != nil {
		return postgres.Options{}, err
	}
	c := all.Database
	if c.URL == "" {
		return postgres.Options{}, a.NotConfigured("RECFLOW_DATABASE_URL")
	}
	if err := c.Validate(); err != nil {
		return postgres.Options{}, err
	}
	var aws awsclient.Config
	if c.Auth == config.DatabaseIAM {
		if aws, err = awsclient.Load(ctx, awsclient.Options{}); err != nil {
			return postgres.Options{}, err
		}
	}
	log := slog.New(slog.NewTextHandler(a.Err, nil))
	return postgres.Options{URL: c.URL, Secret: c.SignIn(aws.DatabaseToken), MaxConns: c.MaxConns, Name: "recflow cli", Log: log, StatementTimeout: statementTimeout}, nil
}

// openDatabase connects to a database, which must respond within
// app.ConnectTimeout.
func openDatabase(ctx context.Context, o postgres.Options) (*postgres.DB, error) {
	dial, cancel := context.WithTimeout(ctx, app.ConnectTimeout)
	defer cancel()
	db, err := postgres.Open(dial, o)
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) && ctx.Err() == nil {
		return nil, fmt.Errorf("the database at %s does not respond; start the local stack with `recflow up`: %w", hostOf(o.URL), errors.Unwrap(refused))
	}
	return db, err
}

// hostOf returns the part of an address that is safe to print.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "RECFLOW_DATABASE_URL"
	}
	return u.Host
}
