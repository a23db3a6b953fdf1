package config_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
)

const verified = "?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"

func TestDatabaseValidates(t *testing.T) {
	const host = "postgres://recflow_loader@db.example.com:5432/recflow"
	for name, c := range map[string]struct {
		database config.Database
		says     string // empty: it is accepted
	}{
		"a password in the address":             {config.Database{URL: "postgres://x:secret-1@db.example.com/recflow"}, ""},
		"a separate password":                   {config.Database{URL: host, Password: "secret-1"}, ""},
		"both":                                  {config.Database{URL: "postgres://x:secret-1@db.example.com/recflow", Password: "secret-2"}, "RECFLOW_DATABASE_PASSWORD"},
		"a token over a verified connection":    {config.Database{URL: host + verified, Auth: "iam"}, ""},
		"a token to a loopback address":         {config.Database{URL: "postgres://recflow_loader@127.0.0.1:5432/recflow", Auth: "iam"}, ""},
		"a token to localhost":                  {config.Database{URL: "postgres://recflow_loader@localhost:5432/recflow", Auth: "iam"}, "verify-full"},
		"a token without TLS":                   {config.Database{URL: host, Auth: "iam"}, "verify-full"},
		"a token to an unverified host":         {config.Database{URL: host + "?sslmode=verify-ca", Auth: "iam"}, "verify-full"},
		"a token and two modes":                 {config.Database{URL: host + verified + "&sslmode=disable", Auth: "iam"}, "verify-full"},
		"a token and another host":              {config.Database{URL: host + verified + "&host=elsewhere", Auth: "iam"}, "name its host"},
		"a token and two hosts":                 {config.Database{URL: "postgres://x@a:5432,b:5432/recflow" + verified, Auth: "iam"}, "one host"},
		"a token without a user":                {config.Database{URL: "postgres://db.example.com/recflow" + verified, Auth: "iam"}, "one user"},
		"a token and a password":                {config.Database{URL: host + verified, Auth: "iam", Password: "secret-1"}, "RECFLOW_DATABASE_PASSWORD"},
		"a token and a password in the address": {config.Database{URL: host + verified + "&password=secret-1", Auth: "iam"}, "RECFLOW_DATABASE_PASSWORD"},
		"an unknown mode":                       {config.Database{URL: host, Auth: "kerberos"}, "RECFLOW_DATABASE_AUTH"},
	} {
		t.Run(name, func(t *testing.T) {
			c.database.MaxConns = 2
			err := c.database.Validate()
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret-")
		})
	}
}

func TestDatabaseSignsInAsItIsTold(t *testing.T) {
	token := func(_ context.Context, endpoint, user string) (string, error) {
		return "token for " + user + " at " + endpoint, nil
	}
	require.Nil(t, config.Database{Auth: "password"}.SignIn(token))

	secret, err := config.Database{Auth: "password", Password: "p"}.SignIn(token)(t.Context(), "db:5432", "loader")
	require.NoError(t, err)
	require.Equal(t, "p", secret)

	secret, err = config.Database{Auth: "iam"}.SignIn(token)(t.Context(), "db:5432", "loader")
	require.NoError(t, err)
	require.Equal(t, "token for loader at db:5432", secret)
}
