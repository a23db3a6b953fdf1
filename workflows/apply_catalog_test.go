package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/activities"
)

func TestApplyCatalog_begins_again_for_a_request_during_its_run(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		requests int // during the first application
		want     []string
	}{
		{"no other request", 0, []string{"ApplyCatalog"}},
		{"a request", 1, []string{"ApplyCatalog", "ApplyCatalog"}},
		{"several requests at once", 3, []string{"ApplyCatalog", "ApplyCatalog"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.on["ApplyCatalog"] = func() error {
				for range c.requests {
					s.env.SignalWorkflow(catalogSignal, nil)
				}
				c.requests = 0
				return nil
			}
			s.env.RegisterDelayedCallback(func() { s.env.SignalWorkflow(catalogSignal, nil) }, 0)
			s.env.ExecuteWorkflow(ApplyCatalog)
			require.NoError(t, s.env.GetWorkflowError())
			require.Equal(t, c.want, s.called())
			var result activities.ApplyCatalogResult
			require.NoError(t, s.env.GetWorkflowResult(&result))
			require.EqualValues(t, 3, result.Changed)
		})
	}
}

func TestRefresh_promotes_without_a_catalog_that_cannot_be_applied(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.fail(t, "ApplyCatalog", fails(activities.DataInvalid, "raw/items/a.parquet: it is damaged"))
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.Equal(t, OutcomeLive, result.Outcome)
}
