package recommendations

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMoved(t *testing.T) {
	t.Parallel()
	list := func(ids ...string) (l apiclient.List) {
		for i, id := range ids {
			l.Items = append(l.Items, apiclient.Ranked{Rank: i + 1, Item: recsys.Item{ItemID: id}})
		}
		return l
	}
	moves, gone := moved(list("a", "b", "c", "d"), list("d", "a", "x", "c"))
	assert.Equal(t, []string{"↑3", "↓1", "new", "↓1"}, moves)
	assert.Equal(t, []string{"b"}, gone)
}
