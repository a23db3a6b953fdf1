package app

import (
	"context"
	"errors"
	"net/http"
	"os/user"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
)

// ConnectTimeout limits the wait for a service that may not be running.
const ConnectTimeout = 10 * time.Second

// ClientConfig reads the addresses of the running system from the environment, or
// from the local stack.
func (a *App) ClientConfig() (config.Client, error) {
	vars, err := a.localVariables()
	if err != nil {
		return config.Client{}, err
	}
	return config.ReadClient(vars)
}

// localVariables returns the variables of the local stack for its clients.
func (a *App) localVariables() (map[string]string, error) {
	if a.LocalEnv == nil {
		return nil, nil
	}
	local, err := config.ReadLocal()
	if err != nil {
		return nil, err
	}
	return a.LocalEnv(local.Home)
}

// NotConfigured returns the error of a command that lacks a setting, such as
// RECFLOW_DATABASE_URL.
func (a *App) NotConfigured(variables string) error {
	if a.LocalEnv == nil {
		return errors.New("set " + variables)
	}
	return errors.New("there is no local stack here; start it with `recflow up`, or set " + variables)
}

// OpenAWS returns the running system's configuration and its AWS configuration.
// named is the variable of the required resource: if the environment does not set
// it, the local stack's resource, endpoints and credentials are used.
func (a *App) OpenAWS(ctx context.Context, named func(config.Client) string, variable string) (config.Client, awsclient.Config, error) {
	vars, err := a.localVariables()
	if err != nil {
		return config.Client{}, awsclient.Config{}, err
	}
	c, err := config.ReadClient(vars)
	if err != nil {
		return config.Client{}, awsclient.Config{}, err
	}
	if named(c) == "" {
		return c, awsclient.Config{}, a.NotConfigured(variable)
	}
	var options awsclient.Options
	if own, err := config.ReadClient(nil); err == nil && named(own) == "" {
		options = awsclient.OptionsFrom(vars)
	}
	aws, err := awsclient.Load(ctx, options)
	return c, aws, err
}

// OpenAPI returns a client of the running system's API. It connects on first use.
func (a *App) OpenAPI() (*apiclient.Client, error) {
	c, err := a.ClientConfig()
	if err != nil {
		return nil, err
	}
	if c.API.URL == "" {
		return nil, a.NotConfigured("RECFLOW_API_URL and RECFLOW_API_TOKEN")
	}
	return apiclient.New(apiclient.Options{URL: c.API.URL, Token: c.API.Token}), nil
}

// Unthrottled calls f, and calls it again while the token exceeds its rate limit.
func Unthrottled[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for {
		v, err := f()
		var p *apiclient.Problem
		if !errors.As(err, &p) || p.Status != http.StatusTooManyRequests {
			return v, err
		}
		if err := SleepUntil(ctx, time.Now().Add(max(p.RetryAfter, time.Second))); err != nil {
			return v, err
		}
	}
}

// Actor returns the user who runs this command, for the audit log.
func Actor() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli"
}

// OpenStream returns the stream of the running system.
func (a *App) OpenStream(ctx context.Context) (*awsclient.Kinesis, error) {
	c, aws, err := a.OpenAWS(ctx, func(c config.Client) string { return c.Stream.Name }, "RECFLOW_STREAM")
	if err != nil {
		return nil, err
	}
	return awsclient.NewKinesis(aws, c.Stream.Name), nil
}

// OpenBucket returns the bucket of the running system.
func (a *App) OpenBucket(ctx context.Context) (*awsclient.S3, error) {
	c, aws, err := a.OpenAWS(ctx, func(c config.Client) string { return c.Storage.Bucket }, "RECFLOW_BUCKET")
	if err != nil {
		return nil, err
	}
	return awsclient.NewS3(aws, c.Storage.Bucket), nil
}
