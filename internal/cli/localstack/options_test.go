package localstack

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain"
)

func TestStackOptions_uses_the_Postgres_of_the_user(t *testing.T) {
	t.Parallel()
	a := &app.App{Quiet: true}
	tools := toolchain.Paths{PostgresBin: "/cache/postgres/bin"}

	o, err := stackOptions(a, config.Local{}, stack.Settings{}, tools)
	require.NoError(t, err)
	require.Equal(t, "/cache/postgres/bin", o.Tools.PostgresBin)

	o, err = stackOptions(a, config.Local{PostgresBin: "/usr/lib/postgresql/17/bin"}, stack.Settings{}, tools)
	require.NoError(t, err)
	require.Equal(t, "/usr/lib/postgresql/17/bin", o.Tools.PostgresBin)
}
