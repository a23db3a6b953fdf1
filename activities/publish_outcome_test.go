package activities

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/telemetry"
)

func TestPublishOutcome_counts_each_outcome(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	at := time.UnixMilli(1_764_000_000_123)
	for _, outcome := range []string{"live", "refused", "failed", "superseded"} {
		require.NoError(t, outcomeLine(outcome, at, nil).Write(&out))
	}
	require.NoError(t, outcomeLine("live", at, []telemetry.Dimension{{Name: "installation", Value: "shop"}}).Write(&out))
	want, err := os.ReadFile("testdata/metrics.golden.json")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
}

func TestPublishOutcome_is_final_when_the_topic_refuses_it(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	var out bytes.Buffer
	a.Metrics = &out
	in := PublishOutcomeInput{Kind: RefreshKind, Outcome: "live"}
	_, err := env.ExecuteActivity(a.PublishOutcome, in)
	require.NoError(t, err, "without a topic nothing is published")

	a.Outcomes = awsclient.NewSNS(awstest.Config(t), "arn:aws:sns:us-east-1:000000000000:nowhere")
	_, err = env.ExecuteActivity(a.PublishOutcome, in)
	requireType(t, err, OutcomeNotPublished, true)
	require.Equal(t, 2, strings.Count(out.String(), `"refresh_promoted":1`), "it is counted nevertheless")

	_, err = env.ExecuteActivity(a.PublishOutcome, PublishOutcomeInput{Kind: BackfillKind, Outcome: "failed"})
	require.Error(t, err)
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "a backfill is not counted as a refresh")
}

func TestSubject_is_one_line_that_SNS_takes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   PublishOutcomeInput
		want string
	}{
		{PublishOutcomeInput{Kind: RefreshKind, Outcome: "live", Version: 7}, "recflow: refresh live, version 7"},
		{PublishOutcomeInput{Kind: RefreshKind, Outcome: "failed", Error: "GlueFailed", Stage: "train"}, "recflow: refresh failed, GlueFailed in stage train"},
		{PublishOutcomeInput{Kind: RefreshKind, Outcome: "refused", Version: 7, Refused: []RefusedGate{{Gate: "rows"}, {Gate: "recall"}}}, "recflow: refresh refused, version 7 by rows, recall"},
		{PublishOutcomeInput{Kind: BackfillKind, Outcome: "failed", BackfillID: "abc"}, "recflow: backfill failed, abc"},
		{PublishOutcomeInput{Kind: RefreshKind, Outcome: "cancelled", Stage: "train"}, "recflow: refresh cancelled"},
	} {
		require.Equal(t, c.want, c.in.subject())
	}
	long := PublishOutcomeInput{Kind: BackfillKind, Outcome: "failed", BackfillID: strings.Repeat("x", 200)}
	require.Len(t, long.subject(), awsclient.MaxSubject)
}
