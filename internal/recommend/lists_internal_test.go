package recommend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

// Searches run in goroutines, in which a panic would end the process.
func TestSearch_returns_a_panic_as_the_error_of_its_list(t *testing.T) {
	t.Parallel()
	r, _ := testReader(1 << 20)
	r.inMemory = &versionItems{}
	r.inMemory.current.Store(&overriddenItems{}) // without a view
	vector := make([]float32, r.version.Dimension)
	failed := map[int]error{}
	require.NoError(t, r.Search(t.Context(), Request{}, []ListSpec{
		{State: State{Vector: vector}, K: 3}, {K: 3}, {State: State{Vector: vector[1:]}, K: 3},
	}, func(i int, l List, err error) {
		failed[i] = err
		require.Equal(t, err == nil, len(l.Items) == 3)
	}))
	require.Len(t, failed, 3)
	require.ErrorIs(t, failed[0], ErrListFailed)
	require.NoError(t, failed[1])
	require.ErrorIs(t, failed[2], ErrListFailed)

	_, err := r.searchAll(t.Context(), Request{}, []ListSpec{{K: 3}, {State: State{Vector: vector}, K: 3}})
	require.ErrorIs(t, err, ErrListFailed)

	broken := clicker(0, 3)
	broken.History.Weights = nil
	users := []recsys.UserState{clicker(0, 3), broken}
	_, err = r.Load(t.Context(), users)
	require.NoError(t, err)
	_, err = r.foldAll(users)
	require.ErrorIs(t, err, ErrListFailed)
}
