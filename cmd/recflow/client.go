package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/user"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// connectTimeout bounds the wait for a service that may not be there.
const connectTimeout = 10 * time.Second

// clientConfig reads where the running system is: from the environment, else
// from the local stack.
func clientConfig() (config.Client, error) {
	vars, err := localVariables()
	if err != nil {
		return config.Client{}, err
	}
	return config.ReadClient(vars)
}

// localVariables are what the local stack hands to its clients.
func localVariables() (map[string]string, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return nil, err
	}
	return stack.LoadEnv(local.Home)
}

// openAWS returns where the running system is and how to reach its resources on
// AWS. named is the one that is needed, set by a variable: when the environment
// does not name it, it is the local stack's, and then so are endpoints and
// credentials.
func openAWS(ctx context.Context, named func(config.Client) string, variable string) (config.Client, awsclient.Config, error) {
	vars, err := localVariables()
	if err != nil {
		return config.Client{}, awsclient.Config{}, err
	}
	c, err := config.ReadClient(vars)
	if err != nil {
		return config.Client{}, awsclient.Config{}, err
	}
	if named(c) == "" {
		return c, awsclient.Config{}, errors.New("there is no local stack here; start it with `recflow up`, or set " + variable)
	}
	var options awsclient.Options
	if own, err := config.ReadClient(nil); err == nil && named(own) == "" {
		options = awsclient.OptionsFrom(vars)
	}
	aws, err := awsclient.Load(ctx, options)
	return c, aws, err
}

// openStore connects to the database of the running system.
func (a *app) openStore(ctx context.Context) (*vectorstore.Store, error) {
	c, err := clientConfig()
	if err != nil {
		return nil, err
	}
	if c.Database.URL == "" {
		return nil, errors.New("there is no local stack here; start it with `recflow up`, or set RECFLOW_DATABASE_URL")
	}
	dial, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	options, err := a.databaseOptions(dial, c.Database)
	if err != nil {
		return nil, err
	}
	s, err := vectorstore.Open(dial, options)
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) && ctx.Err() == nil {
		return nil, fmt.Errorf("the database at %s does not answer; start the local stack with `recflow up`: %w", hostOf(c.Database.URL), errors.Unwrap(refused))
	}
	return s, err
}

// databaseOptions say how a command reaches the database, and as whom.
func (a *app) databaseOptions(ctx context.Context, c config.Database) (vectorstore.Options, error) {
	if err := c.Validate(); err != nil {
		return vectorstore.Options{}, err
	}
	var aws awsclient.Config
	if c.Auth == config.DatabaseIAM {
		var err error
		if aws, err = awsclient.Load(ctx, awsclient.Options{}); err != nil {
			return vectorstore.Options{}, err
		}
	}
	log := slog.New(slog.NewTextHandler(a.err, nil))
	return vectorstore.Options{URL: c.URL, Secret: c.SignIn(aws.DatabaseToken), MaxConns: c.MaxConns, Name: "recflow cli", Log: log}, nil
}

// hostOf is the part of an address that may be shown.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "RECFLOW_DATABASE_URL"
	}
	return u.Host
}

// openTemporal connects to the Temporal service of the running system.
func (a *app) openTemporal(ctx context.Context) (client.Client, config.Temporal, error) {
	c, err := clientConfig()
	if err != nil {
		return nil, config.Temporal{}, err
	}
	if c.Temporal.Address == "" {
		return nil, c.Temporal, errors.New("there is no local stack here; start it with `recflow up`, or set RECFLOW_TEMPORAL_ADDRESS")
	}
	options, err := temporalOptions(c.Temporal)
	if err != nil {
		return nil, c.Temporal, err
	}
	dial, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	t, err := client.DialContext(dial, options)
	if err != nil && ctx.Err() == nil {
		return nil, c.Temporal, fmt.Errorf("Temporal at %s does not answer; start the local stack with `recflow up`: %w", c.Temporal.Address, err)
	}
	return t, c.Temporal, err
}

// temporalOptions say how a command reaches Temporal. What a person's environment
// says of another Temporal is not for the local stack's.
func temporalOptions(c config.Temporal) (client.Options, error) {
	quiet := tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)) // its errors come back to us
	if own, err := config.ReadClient(nil); err == nil && own.Temporal.Address == "" {
		return temporalconfig.Plain(c, quiet), nil
	}
	return temporalconfig.Options(c, quiet)
}

// actor names who runs this command, for the audit of promotions.
func actor() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli"
}

// explainVersion is explain for a command that was given a version, or 0.
func explainVersion(err error, version int64) error {
	if version > 0 && errors.Is(err, recsys.ErrNotFound) {
		return noSuchVersion(version)
	}
	return explain(err)
}

// explain adds to an error what a person can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, recsys.ErrNoLiveVersion):
		return fmt.Errorf("%w; train one with `recflow refresh --wait`", recsys.ErrNoLiveVersion)
	case errors.Is(err, recsys.ErrVersionGone):
		return fmt.Errorf("%w; see `recflow versions list`", err)
	}
	return err
}
