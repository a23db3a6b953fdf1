package config

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Database is the Postgres database of the versions.
type Database struct {
	// URL is a postgres:// address. It may contain a password and is never logged.
	URL string `env:"RECFLOW_DATABASE_URL"`

	// Auth is "password", or "iam": every new connection authenticates to RDS with
	// its own token.
	Auth string `env:"RECFLOW_DATABASE_AUTH" envDefault:"password"`

	// Password is a password that is not part of the URL. It is never logged.
	Password string `env:"RECFLOW_DATABASE_PASSWORD"`

	// MaxConns limits the pool.
	MaxConns int32 `env:"RECFLOW_DATABASE_MAX_CONNS" envDefault:"10"`
}

// Database authentication modes.
const (
	DatabasePassword = "password"
	DatabaseIAM      = "iam"
)

// Secret returns the password or token of a new connection. endpoint is host:port.
type Secret func(ctx context.Context, endpoint, user string) (string, error)

// SignIn returns the source of connection secrets: token, called only with
// RECFLOW_DATABASE_AUTH=iam, or RECFLOW_DATABASE_PASSWORD. It is nil when the URL
// contains the password.
func (c Database) SignIn(token Secret) Secret {
	switch {
	case c.Auth == DatabaseIAM:
		return token
	case c.Password != "":
		return func(context.Context, string, string) (string, error) { return c.Password, nil }
	}
	return nil
}

// Validate reports all mistakes at once and names the variables.
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
			errs = append(errs, errors.New("RECFLOW_DATABASE_URL has a password and RECFLOW_DATABASE_PASSWORD is another; set only one"))
		}
	case DatabaseIAM:
		if inURL || c.Password != "" {
			errs = append(errs, errors.New("RECFLOW_DATABASE_AUTH is iam, which uses no password: remove it from RECFLOW_DATABASE_URL and unset RECFLOW_DATABASE_PASSWORD"))
		}
		errs = append(errs, forTokens(u))
	default:
		errs = append(errs, fmt.Errorf("RECFLOW_DATABASE_AUTH is %q; use password or iam", c.Auth))
	}
	return errors.Join(errs...)
}

// forTokens rejects an address to which it is unsafe to send a token: a server
// there could use the token for 15 minutes.
func forTokens(u *url.URL) error {
	for _, name := range []string{"host", "port", "user"} {
		if u.Query().Has(name) {
			return fmt.Errorf("RECFLOW_DATABASE_AUTH is iam: RECFLOW_DATABASE_URL must name its %s before the question mark, as postgres://USER@HOST:5432/DATABASE", name)
		}
	}
	if u.User.Username() == "" || u.Hostname() == "" || strings.Contains(u.Host, ",") {
		return errors.New("RECFLOW_DATABASE_AUTH is iam: RECFLOW_DATABASE_URL must name one user and one host, as postgres://USER@HOST:5432/DATABASE")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return nil
	}
	if mode := u.Query()["sslmode"]; len(mode) != 1 || mode[0] != "verify-full" {
		return errors.New("RECFLOW_DATABASE_AUTH is iam: a token may only be sent over a verified connection; add sslmode=verify-full and sslrootcert=PATH, the RDS certificate bundle, to RECFLOW_DATABASE_URL")
	}
	return nil
}
