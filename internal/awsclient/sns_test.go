package awsclient_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestSNS_publishes_to_the_subscribers(t *testing.T) {
	t.Parallel()
	topic := awstest.NewTopic(t)
	s := awsclient.NewSNS(awstest.Config(t), topic.ARN)
	require.NoError(t, s.Publish(t.Context(), awsclient.Notice{Subject: "a subject", Body: "a body", Attributes: map[string]string{"kind": "refresh"}}))
	got := topic.Receive(t)
	require.Len(t, got, 1)
	require.Equal(t, "a subject", got[0].Subject)
	require.Equal(t, "a body", got[0].Message)
	require.Equal(t, "refresh", got[0].MessageAttributes["kind"].Value)
}

func TestSNS_reports_a_missing_topic(t *testing.T) {
	t.Parallel()
	s := awsclient.NewSNS(awstest.Config(t), "arn:aws:sns:us-east-1:000000000000:nowhere")
	err := s.Publish(t.Context(), awsclient.Notice{Subject: "s", Body: "b"})
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.False(t, awsclient.Retryable(err))
}
