package backfills

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

func TestBackfill_trains_with_the_requested_interest(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	day := 0
	start := func(training string) workflows.RefreshRequest {
		t.Helper()
		day++ // ranges of active backfills do not overlap
		a := h.Do("POST", "/backfill", fmt.Sprintf(`{"kind":"refresh","from":"2025-01-%02dT00:00:00Z","to":"2025-01-%02dT00:00:00Z","training":%s}`, day, day+1, training))
		require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
		id := strings.TrimPrefix(a.Header.Get("Location"), "/backfill/")
		var r workflows.RefreshRequest
		require.NoError(t, json.Unmarshal(h.backfill(id).Request, &r))
		return r
	}
	plain := start(`{}`)
	require.Equal(t, recsys.DefaultInterest(), plain.Interest)
	set := start(`{"interest":{"weights":{"play":2,"skip":-1},"value_use":{"play":"log"},"rating_threshold":8,"floor":0.5,"half_life":"30d"}}`)
	require.Equal(t, recsys.Interest{Weights: map[string]float64{"play": 2, "skip": -1}, ValueUse: map[string]string{"play": "log"},
		RatingThreshold: 8, HalfLifeSeconds: 30 * 86400, Floor: 0.5}, set.Interest)
	set = start(`{"interest":{"half_life":"30d"},"half_life":"never"}`)
	require.Zero(t, set.Interest.HalfLifeSeconds)
	require.Equal(t, recsys.DefaultInterest().Weights, set.Interest.Weights)
}

func TestBackfill_refuses_a_wrong_interest(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for name, c := range map[string]struct{ interest, want string }{
		"an unknown field":       {`{"weightz":{"a":1}}`, "unexpected property"},
		"no positive weight":     {`{"weights":{"a":-1}}`, "no event would count"},
		"two names of a type":    {`{"weights":{"add_to_cart":1,"AddToCart":2}}`, "are the same event type"},
		"an unknown use":         {`{"value_use":{"purchase":"cube"}}`, "use ignore, log or value"},
		"a negative floor":       {`{"floor":-1}`, "floor is -1"},
		"a half-life in words":   {`{"half_life":"a while"}`, "is not a duration"},
		"a weight of impression": {`{"weights":{"impression":1,"a":1}}`, "what was only shown has no weight"},
	} {
		a := h.Do("POST", "/backfill", `{"kind":"refresh","training":{"interest":`+c.interest+`}}`)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, name)
		require.Contains(t, strings.ReplaceAll(string(a.Body), `\"`, `"`), c.want, name)
	}
}
