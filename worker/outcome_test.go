package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// setenv sets a variable of the worker, effective from its next start.
func setenv(name, value string) stageOption {
	return func(s *stage) { s.env = append(s.env, name+"="+value) }
}

// nextOutcome waits for the next message of the topic.
func (s *stage) nextOutcome(topic *awstest.Topic) (m awstest.Message, o activities.Outcome) {
	s.t.Helper()
	harnesstest.Eventually(s.t, "an outcome", func() bool {
		got := topic.Receive(s.t)
		require.LessOrEqual(s.t, len(got), 1)
		if len(got) == 1 {
			m = got[0]
		}
		return len(got) == 1
	})
	require.NoError(s.t, json.Unmarshal([]byte(m.Message), &o), m.Message)
	return m, o
}

func TestOutcomes_are_published(t *testing.T) {
	t.Parallel()
	topic := awstest.NewTopic(t)
	s := newStage(t, setenv("RECFLOW_OUTCOMES_TOPIC", topic.ARN), setenv("RECFLOW_METRICS", "emf"), setenv("RECFLOW_INSTALLATION", "shop"),
		setenv("RECFLOW_TEMPORAL_UI", "http://ui.test/"))
	harnesstest.Eventually(t, "an age before any version is live", func() bool {
		return strings.Contains(s.worker.log(), `"installation":"shop","live_version_age_seconds":`)
	})

	live := s.refreshLive()
	m, o := s.nextOutcome(topic)
	require.Equal(t, workflows.OutcomeLive, o.Outcome)
	require.Equal(t, activities.RefreshKind, o.Kind)
	require.Equal(t, live.RunID, o.RunID)
	require.Equal(t, live.Version, o.Version)
	require.Equal(t, "http://ui.test/namespaces/"+s.namespace+"/workflows/"+o.WorkflowID+"/"+o.WorkflowRunID, o.Link)
	require.Positive(t, o.Seconds)
	require.WithinDuration(t, time.Now(), o.EndedAt, time.Minute)
	require.Contains(t, m.Subject, "refresh live, version ")
	require.Equal(t, workflows.OutcomeLive, m.MessageAttributes["outcome"].Value)
	require.Contains(t, s.worker.log(), `"installation":"shop","refresh_failed":0,"refresh_promoted":1,"refresh_refused":0`)

	s.use(small.changed(t, func(m *recsys.Manifest) { m.Parameters.Alpha = 4 }))
	s.requireFailure(s.request(), activities.GateRefused)
	m, o = s.nextOutcome(topic)
	require.Equal(t, workflows.OutcomeRefused, o.Outcome)
	require.Equal(t, recsys.GateFoldIn, o.Refused[0].Gate)
	require.NotEmpty(t, o.Refused[0].Reason)
	require.Greater(t, o.Refused[0].Value, o.Refused[0].Threshold)
	require.Contains(t, m.Subject, "by fold-in")
	require.Contains(t, s.worker.log(), `"refresh_failed":0,"refresh_promoted":0,"refresh_refused":1`)

	s.writeControl("fail", "DataInvalid: null_ids: user MARKER has no id")
	s.requireFailure(s.request(), activities.DataInvalid)
	m, o = s.nextOutcome(topic)
	require.Equal(t, workflows.OutcomeFailed, o.Outcome)
	require.Equal(t, activities.DataInvalid, o.Error)
	require.Equal(t, workflows.StageTrain, o.Stage)
	require.NotContains(t, m.Message+m.Subject, "MARKER", "messages of errors may contain data")
	require.Contains(t, s.worker.log(), `"refresh_failed":1,"refresh_promoted":0,"refresh_refused":0`)
}

func TestOutcomes_do_not_fail_a_refresh_when_the_topic_is_gone(t *testing.T) {
	t.Parallel()
	s := newStage(t, setenv("RECFLOW_OUTCOMES_TOPIC", "arn:aws:sns:us-east-1:000000000000:nowhere"))
	s.refreshLive()
	require.Contains(t, s.worker.log(), "failed to publish the outcome")
	require.NotContains(t, s.worker.log(), "live_version_age_seconds", "no metrics without emf")
}

func TestAgeLine(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_764_000_000_123)
	var out bytes.Buffer
	require.NoError(t, ageLine(now.Add(-90*time.Minute-400*time.Millisecond), now, dimensionsOf("shop")).Write(&out))
	require.NoError(t, ageLine(now.Add(time.Second), now, dimensionsOf("")).Write(&out))
	want, err := os.ReadFile("testdata/metrics.golden.json")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
}
