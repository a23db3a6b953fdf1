package config

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Database is the Postgres that holds the versions.
type Database struct {
	// URL is a postgres:// address. It may carry a password and is never logged.
	URL string `env:"RECFLOW_DATABASE_URL"`

	// Auth is "password", or "iam": every new connection signs in to RDS with a
	// token of its own.
	Auth string `env:"RECFLOW_DATABASE_AUTH" envDefault:"password"`

	// Password is one that is not part of the URL. It is never logged.
	Password string `env:"RECFLOW_DATABASE_PASSWORD"`

	// MaxConns bounds the pool.
	MaxConns int32 `env:"RECFLOW_DATABASE_MAX_CONNS" envDefault:"10"`
}

// Ways to sign in to the database.
const (
	DatabasePassword = "password"
	DatabaseIAM      = "iam"
)

// Secret is what a connection signs in with, asked for when it is made. endpoint
// is host:port.
type Secret func(ctx context.Context, endpoint, user string) (string, error)

// SignIn is where connections have their secret from: token, which is only
// called for with RECFLOW_DATABASE_AUTH=iam, or RECFLOW_DATABASE_PASSWORD. It is
// nil when all there is stands in the address.
func (c Database) SignIn(token Secret) Secret {
	switch {
	case c.Auth == DatabaseIAM:
		return token
	case c.Password != "":
		return func(context.Context, string, string) (string, error) { return c.Password, nil }
	}
	return nil
}

// Validate reports every mistake at once and names the variables.
func (c Database) Validate() error {
	if c.URL == "" {
		return errors.New("RECFLOW_DATABASE_URL is not set; give a postgres:// address")
	}
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("RECFLOW_DATABASE_URL is not a postgres:// address")
	}
	var errs []error
	if c.MaxConns < 2 {
		errs = append(errs, fmt.Errorf("RECFLOW_DATABASE_MAX_CONNS is %d; use 2 or more", c.MaxConns))
	}
	_, inURL := u.User.Password()
	inURL = inURL || u.Query().Has("password")
	switch c.Auth {
	case DatabasePassword, "":
		if inURL && c.Password != "" {
			errs = append(errs, errors.New("RECFLOW_DATABASE_URL has a password and RECFLOW_DATABASE_PASSWORD is another; give one"))
		}
	case DatabaseIAM:
		if inURL || c.Password != "" {
			errs = append(errs, errors.New("RECFLOW_DATABASE_AUTH is iam, which needs no password: take it out of RECFLOW_DATABASE_URL, and do not set RECFLOW_DATABASE_PASSWORD"))
		}
		errs = append(errs, forTokens(u))
	default:
		errs = append(errs, fmt.Errorf("RECFLOW_DATABASE_AUTH is %q; use password or iam", c.Auth))
	}
	return errors.Join(errs...)
}

// forTokens refuses an address to which a token may not be sent: whoever answers
// there could use it for a quarter of an hour.
func forTokens(u *url.URL) error {
	for _, name := range []string{"host", "port", "user"} {
		if u.Query().Has(name) {
			return fmt.Errorf("RECFLOW_DATABASE_AUTH is iam: RECFLOW_DATABASE_URL has to name its %s before the question mark, as postgres://USER@HOST:5432/DATABASE", name)
		}
	}
	if u.User.Username() == "" || u.Hostname() == "" || strings.Contains(u.Host, ",") {
		return errors.New("RECFLOW_DATABASE_AUTH is iam: RECFLOW_DATABASE_URL has to name one user and one host, as postgres://USER@HOST:5432/DATABASE")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return nil
	}
	if mode := u.Query()["sslmode"]; len(mode) != 1 || mode[0] != "verify-full" {
		return errors.New("RECFLOW_DATABASE_AUTH is iam: a token goes over a verified connection only; add sslmode=verify-full and sslrootcert=PATH, the RDS certificate bundle, to RECFLOW_DATABASE_URL")
	}
	return nil
}
