package events

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
)

func TestAwaitListed_waits_until_the_listing_has_what_was_announced(t *testing.T) {
	t.Parallel()
	began := time.Now()
	item := func(id string, at time.Time) apiclient.QuarantineRecord {
		return apiclient.QuarantineRecord{EventID: id, QuarantinedAt: at}
	}
	calls := 0
	list := func(_ context.Context, q apiclient.QuarantineQuery) (apiclient.Quarantine, error) {
		calls++
		switch {
		case calls == 1:
			return apiclient.Quarantine{Items: []apiclient.QuarantineRecord{item("a", began), item("b", began.Add(-time.Hour))}}, nil
		case q.Cursor == "":
			return apiclient.Quarantine{Items: []apiclient.QuarantineRecord{item("c", began)}, Next: "more"}, nil
		}
		return apiclient.Quarantine{Items: []apiclient.QuarantineRecord{item("b", began)}}, nil
	}
	ids := map[string]bool{"a": true, "b": true}
	require.NoError(t, awaitListed(t.Context(), list, ids, began, time.Minute))
	require.Empty(t, ids)
	require.GreaterOrEqual(t, calls, 3)
}

func TestAwaitListed_gives_up(t *testing.T) {
	t.Parallel()
	none := func(context.Context, apiclient.QuarantineQuery) (apiclient.Quarantine, error) {
		return apiclient.Quarantine{}, nil
	}
	ids := map[string]bool{"a": true}
	require.NoError(t, awaitListed(t.Context(), none, ids, time.Now(), 0))
	require.Len(t, ids, 1)
	broken := func(context.Context, apiclient.QuarantineQuery) (apiclient.Quarantine, error) {
		return apiclient.Quarantine{}, errors.New("no bucket")
	}
	require.ErrorContains(t, awaitListed(t.Context(), broken, ids, time.Now(), time.Minute), "no bucket")
}
