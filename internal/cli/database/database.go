// Package database connects commands to Postgres.
package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres"
)

// Open connects to the database of the running system.
func Open(ctx context.Context, a *app.App) (*postgres.DB, error) {
	c, err := a.ClientConfig()
	if err != nil {
		return nil, err
	}
	if c.Database.URL == "" {
		return nil, a.NotConfigured("RECFLOW_DATABASE_URL")
	}
	dial, cancel := context.WithTimeout(ctx, app.ConnectTimeout)
	defer cancel()
	options, err := Options(dial, a, c.Database)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(dial, options)
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) && ctx.Err() == nil {
		return nil, fmt.Errorf("the database at %s does not respond; start the local stack with `recflow up`: %w", hostOf(c.Database.URL), errors.Unwrap(refused))
	}
	return db, err
}

// Options sets how a command reaches the database, and as which user.
func Options(ctx context.Context, a *app.App, c config.Database) (postgres.Options, error) {
	if err := c.Validate(); err != nil {
		return postgres.Options{}, err
	}
	var aws awsclient.Config
	if c.Auth == config.DatabaseIAM {
		var err error
		if aws, err = awsclient.Load(ctx, awsclient.Options{}); err != nil {
			return postgres.Options{}, err
		}
	}
	log := slog.New(slog.NewTextHandler(a.Err, nil))
	return postgres.Options{URL: c.URL, Secret: c.SignIn(aws.DatabaseToken), MaxConns: c.MaxConns, Name: "recflow cli", Log: log}, nil
}

// hostOf returns the part of an address that is safe to print.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "RECFLOW_DATABASE_URL"
	}
	return u.Host
}
