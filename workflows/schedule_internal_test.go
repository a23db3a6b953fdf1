package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRefresh_of_a_schedule_ends_when_it_starts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	start := day(9).Add(1500 * time.Millisecond)
	s.env.SetStartTime(start)
	r := DefaultRefresh(time.Time{})
	r.To, r.Scheduled = time.Time{}, true
	require.Error(t, r.Validate(), "only a run has an end")
	s.env.ExecuteWorkflow(RefreshEmbeddings, r)
	require.NoError(t, s.env.GetWorkflowError())
	var result RefreshResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	require.Contains(t, result.RunID, "20250109T000001Z-")
}

func TestRefresh_without_an_end_is_refused_unless_scheduled(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := DefaultRefresh(day(9))
	r.To = time.Time{}
	s.env.ExecuteWorkflow(RefreshEmbeddings, r)
	require.ErrorContains(t, s.env.GetWorkflowError(), "to is missing")
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	s := Schedule{Jitter: time.Hour}
	require.False(t, overdue(s, nil, day(2)))
	require.False(t, overdue(s, []time.Time{day(2)}, day(2).Add(time.Hour)), "jitter is not lateness")
	require.True(t, overdue(s, []time.Time{day(2)}, day(2).Add(time.Hour+2*time.Minute)))
	s.Paused = true
	require.False(t, overdue(s, []time.Time{day(2)}, day(9)))
}
