package activities

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/recsys"
)

func decodesBadly() (err error) {
	defer func() { err = fmt.Errorf("%w: %w", recsys.ErrManifestInvalid, panics.New(recover())) }()
	panic("a column without values")
}

func TestEdge_logs_the_stack_of_a_panic_that_a_step_recovered(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&out, nil))))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{Edge(&Activities{}, time.Minute)}})
	env.RegisterActivityWithOptions(func(context.Context) error { return decodesBadly() }, activity.RegisterOptions{Name: "step"})

	_, err := env.ExecuteActivity("step")
	requireType(t, err, ManifestInvalid, true)
	require.Contains(t, out.String(), "panic: a column without values")
	require.Contains(t, out.String(), "activities.decodesBadly")
}
