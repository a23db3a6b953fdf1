package importer

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The data set is 32 MB from a registry, so tests do not download it: this test
// runs if RECFLOW_TEST_COMPLETEJOURNEY names the folder with its files.
func TestImportCompleteJourney_imports_every_line(t *testing.T) {
	folder := os.Getenv("RECFLOW_TEST_COMPLETEJOURNEY")
	if folder == "" {
		t.Skip("RECFLOW_TEST_COMPLETEJOURNEY is not set")
	}
	m := newMemory()
	r, err := ImportCompleteJourney(t.Context(), m, folder, options(t))
	require.NoError(t, err)
	require.EqualValues(t, 1_469_307, r.Events)
	require.EqualValues(t, 92_331+17, r.Items)
	require.Zero(t, r.Rejected)
	require.Equal(t, 365, r.Files[1].Days)

	known := map[string]bool{}
	for _, i := range m.items(t) {
		known[i.ItemID] = true
		require.NotEmpty(t, i.Title, i.ItemID)
		require.NotEmpty(t, i.Category, i.ItemID)
	}
	users := map[string]bool{}
	for _, e := range m.events(t) {
		users[e.UserID] = true
		require.True(t, known[e.ItemID], e.ItemID)
	}
	require.Len(t, users, 2469)
}
