package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// withoutPassword returns the address without its password, and the password.
func withoutPassword(t *testing.T, address string) (bare, password, host string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	password, _ = u.User.Password()
	u.User = url.User(u.User.Username())
	return u.String(), password, u.Host
}

func TestOpen_gets_a_secret_for_every_connection(t *testing.T) {
	t.Parallel()
	bare, password, host := withoutPassword(t, postgrestest.URL(t))
	var asked atomic.Int64
	s, err := postgres.Open(t.Context(), postgres.Options{URL: bare, MaxConns: 3, Secret: func(_ context.Context, endpoint, user string) (string, error) {
		asked.Add(1)
		if endpoint != host || user != "recflow" {
			return "", errors.New("unexpected sign-in of " + user + " at " + endpoint)
		}
		return password, nil
	}})
	require.NoError(t, err)
	defer s.Close()

	// Three transactions at a time need three connections.
	var group errgroup.Group
	var meet, met = make(chan struct{}), make(chan struct{}, 3)
	for range 3 {
		group.Go(func() error {
			return s.Transaction(t.Context(), func(tx *postgres.DB) error {
				if _, err := tx.Health(t.Context()); err != nil {
					return err
				}
				met <- struct{}{}
				<-meet
				return nil
			})
		})
	}
	for range 3 {
		<-met
	}
	close(meet)
	require.NoError(t, group.Wait())
	require.EqualValues(t, 3, asked.Load())
}

func TestOpen_reports_a_failing_secret(t *testing.T) {
	t.Parallel()
	bare, _, _ := withoutPassword(t, postgrestest.URL(t))
	none := errors.New("no credentials")
	_, err := postgres.Open(t.Context(), postgres.Options{URL: bare, Secret: func(context.Context, string, string) (string, error) { return "", none }})
	require.ErrorIs(t, err, none)
	require.ErrorContains(t, err, "as recflow")
}

func TestOpen_names_a_missing_certificate_file(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "rds-ca.pem")
	_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://x:hidden@db.example.com/recflow?sslmode=verify-full&sslrootcert=" + missing})
	require.ErrorContains(t, err, missing)
	require.NotContains(t, err.Error(), "hidden")
}
