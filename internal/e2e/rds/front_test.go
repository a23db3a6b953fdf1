package rds

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/tlsproxy"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
)

// newFront is in front of a real Postgres, whose superuser authenticates with a
// token through the front, and without a password behind it.
func newFront(t *testing.T) (f *Front, url, authorities string) {
	t.Helper()
	server := pgservertest.Server(t)
	rules := filepath.Join(server.Data, "pg_hba.conf")
	require.NoError(t, os.WriteFile(rules, []byte("host all all 127.0.0.1/32 trust\n"), 0o600))
	conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT pg_reload_conf()")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	a, err := tlsproxy.NewAuthority()
	require.NoError(t, err)
	authorities = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authorities, a.PEM, 0o600))
	certificate, err := a.Issue("127.0.0.1")
	require.NoError(t, err)
	f, err = New(Options{
		Certificate: *certificate, Postgres: net.JoinHostPort("127.0.0.1", fmt.Sprint(server.Port)),
		Tokens: func(string) bool { return true }, Allowed: func(key, user string) bool { return key == "AKIAGOOD" && user == pgserver.User },
		Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f, "postgres://" + pgserver.User + "@" + f.Address + "/postgres", authorities
}

func token(t *testing.T, endpoint, user, key string) string {
	t.Helper()
	out, err := auth.BuildAuthToken(t.Context(), endpoint, "us-east-1", user, credentials.NewStaticCredentialsProvider(key, "secret", ""))
	require.NoError(t, err)
	return out
}

func TestToken_is_accepted_over_TLS_only(t *testing.T) {
	t.Parallel()
	f, url, authorities := newFront(t)
	verified := url + "?sslmode=verify-full&sslrootcert=" + authorities
	good := token(t, f.Address, pgserver.User, "AKIAGOOD")
	for name, c := range map[string]struct{ url, password, refused string }{
		"its own":             {verified, good, ""},
		"without TLS":         {url + "?sslmode=disable", good, "no encryption"},
		"of another user":     {verified, token(t, f.Address, "other", "AKIAGOOD"), "PAM authentication failed"},
		"of another key":      {verified, token(t, f.Address, pgserver.User, "AKIABAD"), "PAM authentication failed"},
		"for another address": {verified, token(t, "db.example.com:5432", pgserver.User, "AKIAGOOD"), "PAM authentication failed"},
		"a password":          {verified, "secret", "PAM authentication failed"},
	} {
		config, err := pgx.ParseConfig(c.url)
		require.NoError(t, err, name)
		config.Password = c.password
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if c.refused != "" {
			require.ErrorContains(t, err, c.refused, name)
			continue
		}
		require.NoError(t, err, name)
		var one int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT 1").Scan(&one), name)
		require.NoError(t, conn.Close(t.Context()))
	}
}

func TestToken_expires(t *testing.T) {
	t.Parallel()
	f := &Front{Address: "db:5432", options: Options{Allowed: func(string, string) bool { return true }}}
	made := token(t, "db:5432", "u", "AKIAGOOD")
	require.NoError(t, f.check(made, "u", time.Now().Add(14*time.Minute)))
	require.ErrorContains(t, f.check(made, "u", time.Now().Add(16*time.Minute)), "not valid at this time")
	require.ErrorContains(t, f.check(made, "", time.Now()), "another user")
}
