package awsclient_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
)

func TestDatabaseToken_contains_host_user_and_region_and_is_signed(t *testing.T) {
	c, err := awsclient.Load(t.Context(), awsclient.Options{Region: "eu-central-1", AccessKeyID: "AKID", SecretAccessKey: "very-secret"})
	require.NoError(t, err)
	token, err := c.DatabaseToken(t.Context(), "db.example.com:5432", "recflow_loader")
	require.NoError(t, err)

	u, err := url.Parse("https://" + token)
	require.NoError(t, err)
	require.Equal(t, "db.example.com:5432", u.Host)
	q := u.Query()
	require.Equal(t, "connect", q.Get("Action"))
	require.Equal(t, "recflow_loader", q.Get("DBUser"))
	require.Equal(t, "900", q.Get("X-Amz-Expires"))
	require.Contains(t, q.Get("X-Amz-Credential"), "/eu-central-1/rds-db/aws4_request")
	require.NotEmpty(t, q.Get("X-Amz-Signature"))
	require.NotContains(t, token, "very-secret")
}
