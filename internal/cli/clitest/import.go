package clitest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/importer"
)

// Import runs `recflow import` with args and decodes its JSON.
func Import(t *testing.T, stdin string, args ...string) (code int, r importer.Result, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(t.Context(), append([]string{"import", "-o", "json"}, args...), app.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	if out.Len() > 0 {
		require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
	}
	return code, r, errs.String()
}
