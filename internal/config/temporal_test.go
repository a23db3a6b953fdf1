package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
)

func TestWorkflowLink(t *testing.T) {
	t.Parallel()
	where := config.Temporal{UI: "http://ui.test/", Namespace: "default"}
	require.Equal(t, "http://ui.test/namespaces/default/workflows/backfill-x", where.WorkflowLink("backfill-x", ""))
	require.Equal(t, "http://ui.test/namespaces/default/workflows/backfill-x/run", where.WorkflowLink("backfill-x", "run"))
	require.Equal(t, "http://ui.test/namespaces/default/workflows/a%2Fb", where.WorkflowLink("a/b", ""), "an ID is one path segment")
	require.Empty(t, where.WorkflowLink("", "run"))
	require.Empty(t, config.Temporal{Namespace: "default"}.WorkflowLink("backfill-x", ""))
}
