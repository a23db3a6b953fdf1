package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
)

// importCatalog imports a complete catalog of all items except those named.
func (l *loop) importCatalog(without ...string) {
	l.t.Helper()
	lines := []string{"item_id,title"}
	for group := range 4 {
		for i := range 60 {
			if id := itemOf(group, i); !slices.Contains(without, id) {
				lines = append(lines, fmt.Sprintf("%s,Item %d", id, i))
			}
		}
	}
	path := filepath.Join(l.t.TempDir(), "catalog.csv")
	require.NoError(l.t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	l.recflow("import", path, "--replace")
}

// replaceCatalogs imports complete catalogs after a training: an item that one lacks is
// in no list at once, unless an operator has made it available, and a later one brings
// it back.
func (l *loop) replaceCatalogs(api *apiclient.Client) {
	l.t.Helper()
	first := func() string {
		l.t.Helper()
		list, err := api.Recommend(l.t.Context(), apiclient.ListRequest{UserID: "u2", K: 5})
		require.NoError(l.t, err)
		return list.Items[0].ItemID
	}
	best := first()
	l.importCatalog(best)
	require.NotEqual(l.t, best, first())
	item, err := api.Item(l.t.Context(), best)
	require.NoError(l.t, err)
	require.Equal(l.t, apiclient.SourceCatalog, item.Overrides.Source)

	l.recflow("items", "set", best, "--available=true")
	require.Equal(l.t, best, first(), "an operator's override wins")
	l.recflow("items", "set", best, "--reset", "available")
	require.NotEqual(l.t, best, first())
	l.importCatalog()
	require.Equal(l.t, best, first(), "a later catalog has it")
}
