package workflows

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

func TestRefresh_publishes_its_outcome_once(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *system)
		want    activities.PublishOutcomeInput
	}{
		{name: "live", want: activities.PublishOutcomeInput{Outcome: OutcomeLive}},
		{name: "refused", prepare: func(t *testing.T, s *system) {
			s.verified.Refused = true
			s.verified.Gates = []recsys.GateResult{passed[0],
				{Gate: recsys.GateRecall, Accepted: "known"},
				{Gate: recsys.GateQuality, Value: 0.18, Threshold: 0.2, Reason: "below popularity"}}
		}, want: activities.PublishOutcomeInput{
			Outcome: OutcomeRefused, Error: activities.GateRefused, Stage: StageVerify,
			Refused: []activities.RefusedGate{{Gate: recsys.GateQuality, Value: 0.18, Threshold: 0.2, Reason: "below popularity"}},
		}},
		{name: "failed", prepare: func(t *testing.T, s *system) {
			s.fail(t, "AwaitGlueRun", fails(activities.DataInvalid, "user u1 has no events"))
		},
			want: activities.PublishOutcomeInput{Outcome: OutcomeFailed, Error: activities.DataInvalid, Stage: StageTrain}},
		{name: "superseded", prepare: func(t *testing.T, s *system) { s.verified.LiveRevision, s.verified.LiveTo = 8, day(10) },
			want: activities.PublishOutcomeInput{Outcome: OutcomeSuperseded}},
		{name: "cancelled", prepare: func(t *testing.T, s *system) {
			s.fail(t, "ReadManifest", func() error { s.env.CancelWorkflow(); return errors.New("unavailable") })
		}, want: activities.PublishOutcomeInput{Outcome: OutcomeCancelled, Stage: StageRead}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			if c.prepare != nil {
				c.prepare(t, s)
			}
			_, _ = s.refresh(t, DefaultRefresh(day(9)))
			require.Len(t, s.outcomes, 1)
			got := s.outcomes[0]
			require.NotEmpty(t, got.RunID)
			require.Equal(t, s.progress(t).RunID, got.RunID)
			require.Equal(t, s.progress(t).Version, got.Version)
			c.want.Kind, c.want.RunID, c.want.Version, c.want.Seconds = activities.RefreshKind, got.RunID, got.Version, got.Seconds
			require.Equal(t, c.want, got)
		})
	}
}

func TestRefresh_does_not_fail_when_its_outcome_cannot_be_published(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("no such host"),
		temporal.NewNonRetryableApplicationError("not allowed", activities.OutcomeNotPublished, nil),
	} {
		s := newSystem(t)
		s.fail(t, "PublishOutcome", func() error { return err })
		result, failed := s.refresh(t, DefaultRefresh(day(9)))
		require.NoError(t, failed)
		require.Equal(t, OutcomeLive, result.Outcome)
		var app *temporal.ApplicationError
		require.Equal(t, errors.As(err, &app), len(s.outcomes) == 1, "a retryable error is retried")
	}
}

func TestRefresh_for_evaluation_leaves_publishing_to_its_backfill(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := DefaultRefresh(day(9))
	r.Promote, r.Evaluation = false, true
	_, err := s.refresh(t, r)
	require.NoError(t, err)
	require.Empty(t, s.outcomes)
}

func TestBackfill_publishes_its_outcome_once_a_round(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.AsOf, 4, 2)
	l.fails = func(i int) bool { return i == 2 }
	_, err := l.run(t, nil)
	require.NoError(t, err)
	require.Len(t, l.outcomes, 1)
	require.Equal(t, activities.BackfillKind, l.outcomes[0].Kind)
	require.Equal(t, backfill.Failed, l.outcomes[0].Outcome)
	require.Equal(t, "x", l.outcomes[0].BackfillID)
	require.NotNil(t, l.outcomes[0].Windows)

	l = newLedger(backfill.Refresh, 1, 1)
	_, err = l.run(t, nil)
	require.NoError(t, err)
	require.Empty(t, l.outcomes, "its refresh has published it")
}
