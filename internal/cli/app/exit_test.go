package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

func TestExitCode_of_an_explained_problem_is_that_of_the_problem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   int
	}{
		{http.StatusConflict, "no_live_version", app.ExitConflict},
		{http.StatusConflict, "version_gone", app.ExitConflict},
		{http.StatusConflict, "conflict", app.ExitConflict},
		{http.StatusConflict, "gate_refused", app.ExitRefused},
		{http.StatusPreconditionFailed, "stale", app.ExitConflict},
		{http.StatusNotFound, "not_found", app.ExitNotFound},
		{http.StatusUnprocessableEntity, "invalid_request", app.ExitUsage},
		{http.StatusServiceUnavailable, "database_unavailable", 1},
	} {
		p := &apiclient.Problem{Status: c.status, Code: c.code, Detail: "details"}
		assert.Equal(t, c.want, app.ExitCode(p), c.code)
		assert.Equal(t, c.want, app.ExitCode(app.ExplainAPI(p)), c.code)
		assert.Equal(t, c.want, app.ExitCode(app.ExplainVersion(p, 7)), c.code)
	}
}
