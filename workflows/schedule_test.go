package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

func always(*workflows.Schedule) error { return nil }

// to returns a change that replaces the schedule.
func to(s workflows.Schedule) func(*workflows.Schedule) (workflows.Schedule, error) {
	return func(*workflows.Schedule) (workflows.Schedule, error) { return s, nil }
}

// scheduling is a Temporal server whose worker ends every refresh at once:
// successfully, or with a refusal when its seed is 13.
func scheduling(t *testing.T) client.Client {
	t.Helper()
	t.Parallel()
	server := temporaltest.Shared(t)
	c, err := client.Dial(client.Options{HostPort: server.Address, Namespace: server.Namespace(t), Logger: temporaltest.Quiet})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, "recflow", worker.Options{})
	w.RegisterWorkflowWithOptions(func(_ workflow.Context, r workflows.RefreshRequest) (*workflows.RefreshResult, error) {
		if r.Seed == 13 {
			return nil, temporal.NewNonRetryableApplicationError("version 7 is refused: gate recall", activities.GateRefused, nil)
		}
		return &workflows.RefreshResult{Version: 8, Outcome: workflows.OutcomeLive, Detail: "version 8 is live"}, nil
	}, workflow.RegisterOptions{Name: workflows.RefreshEmbeddings})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return c
}

func nightly() workflows.Schedule {
	r := workflows.DefaultRefresh(time.Now())
	r.To, r.Scheduled = time.Time{}, true
	return workflows.Schedule{Cron: "0 3 * * *", Jitter: 10 * time.Minute, CatchUp: workflows.DefaultCatchUp, Refresh: r}
}

// trigger starts a run and waits until the schedule has recorded its end.
func trigger(t *testing.T, c client.Client, over func(workflows.ScheduleState) bool) (s workflows.ScheduleState) {
	t.Helper()
	require.NoError(t, c.ScheduleClient().GetHandle(t.Context(), workflows.RefreshSchedule).Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.Eventually(t, func() bool {
		var err error
		s, err = workflows.DescribeSchedule(t.Context(), c)
		return err == nil && over(s)
	}, 30*time.Second, 100*time.Millisecond)
	return s
}

func TestSchedule_is_read_as_it_was_put(t *testing.T) {
	c := scheduling(t)
	_, err := workflows.DescribeSchedule(t.Context(), c)
	require.ErrorIs(t, err, recsys.ErrNotFound)
	want := nightly()
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", func(present *workflows.Schedule) (workflows.Schedule, error) {
		require.Nil(t, present)
		return want, nil
	}))
	s, err := workflows.DescribeSchedule(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, want, s.Schedule)
	require.NotEmpty(t, s.Next)
	for _, at := range s.Next {
		require.Equal(t, 3, at.UTC().Hour())
	}
	require.False(t, s.Overdue)

	// Another schedule replaces it completely.
	other := nightly()
	other.Cron, other.Every, other.Jitter, other.Paused, other.Note = "", 6*time.Hour, 0, true, "the shop moves"
	other.Refresh.Promote, other.Refresh.Rank = false, 32
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", func(present *workflows.Schedule) (workflows.Schedule, error) {
		require.Equal(t, want, *present)
		return other, nil
	}))
	s, err = workflows.DescribeSchedule(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, other, s.Schedule)
	require.Empty(t, s.Next, "it is paused")

	// An error of change leaves the schedule as it is.
	no := errors.New("not now")
	deny := func(*workflows.Schedule) error { return no }
	require.ErrorIs(t, workflows.PutSchedule(t.Context(), c, "recflow", func(*workflows.Schedule) (workflows.Schedule, error) { return want, no }), no)
	wrong := want
	wrong.Cron = "@daily"
	require.ErrorContains(t, workflows.PutSchedule(t.Context(), c, "recflow", to(wrong)), "five fields")
	require.ErrorIs(t, workflows.DeleteSchedule(t.Context(), c, deny), no)
	s, err = workflows.DescribeSchedule(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, other, s.Schedule)

	require.NoError(t, workflows.DeleteSchedule(t.Context(), c, always))
	_, err = workflows.DescribeSchedule(t.Context(), c)
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.ErrorIs(t, workflows.DeleteSchedule(t.Context(), c, always), recsys.ErrNotFound)
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", to(want)), "it can be created again")
}

func TestSchedule_shows_runs_and_pauses_with_the_reason_of_a_failure(t *testing.T) {
	c := scheduling(t)
	s := nightly()
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", to(s)))
	state := trigger(t, c, func(s workflows.ScheduleState) bool {
		return len(s.Runs) == 1 && s.Runs[0].Outcome != workflows.OutcomeRunning
	})
	require.Equal(t, workflows.OutcomeLive, state.Runs[0].Outcome)
	require.EqualValues(t, 8, state.Runs[0].Version)
	require.Equal(t, 1, state.Started)
	require.False(t, state.Paused)

	s.Refresh.Seed = 13
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", to(s)))
	state = trigger(t, c, func(s workflows.ScheduleState) bool { return s.Paused })
	require.Contains(t, state.Note, "version 7 is refused: gate recall")
	require.Len(t, state.Runs, 2)
	require.Equal(t, workflows.OutcomeRefused, state.Runs[0].Outcome, "newest first")
	require.Equal(t, "version 7 is refused: gate recall", state.Runs[0].Detail)

	// Putting the schedule again resumes it.
	s.Refresh.Seed = 42
	require.NoError(t, workflows.PutSchedule(t.Context(), c, "recflow", to(s)))
	state, err := workflows.DescribeSchedule(t.Context(), c)
	require.NoError(t, err)
	require.False(t, state.Paused)
	require.NotEmpty(t, state.Next)
}

func TestSchedule_names_every_mistake(t *testing.T) {
	t.Parallel()
	require.NoError(t, nightly().Validate())
	for mistake, change := range map[string]func(*workflows.Schedule){
		"either cron or every":      func(s *workflows.Schedule) { s.Every = time.Hour },
		"give either":               func(s *workflows.Schedule) { s.Cron = "" },
		"five fields":               func(s *workflows.Schedule) { s.Cron = "@every 1s" },
		"not five":                  func(s *workflows.Schedule) { s.Cron = "CRON_TZ=UTC 0 3 * * *" },
		"whole seconds":             func(s *workflows.Schedule) { s.Cron, s.Every = "", time.Second },
		"jitter":                    func(s *workflows.Schedule) { s.Jitter = 13 * time.Hour },
		"catch-up":                  func(s *workflows.Schedule) { s.CatchUp = time.Second },
		"must not have a fixed end": func(s *workflows.Schedule) { s.Refresh.To = time.Now() },
		"rank":                      func(s *workflows.Schedule) { s.Refresh.Rank = -1 },
	} {
		s := nightly()
		change(&s)
		require.ErrorContains(t, s.Validate(), mistake)
	}
}
