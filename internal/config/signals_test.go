package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
)

func TestReadWorker_checks_what_it_tells_and_where(t *testing.T) {
	for name, value := range map[string]string{
		"RECFLOW_DATABASE_URL": "postgres://x@127.0.0.1/recflow", "RECFLOW_BUCKET": "b", "RECFLOW_TEMPORAL_ADDRESS": "127.0.0.1:7233",
	} {
		t.Setenv(name, value)
	}
	c, err := config.ReadWorker()
	require.NoError(t, err)
	require.Equal(t, config.Signals{Metrics: config.MetricsNone}, c.Signals)

	t.Setenv("RECFLOW_OUTCOMES_TOPIC", "arn:aws-cn:sns:cn-north-1:123456789012:recflow")
	t.Setenv("RECFLOW_METRICS", "emf")
	for _, name := range []string{"shop", "Shop ~2", strings.Repeat("x", 255)} {
		t.Setenv("RECFLOW_INSTALLATION", name)
		c, err = config.ReadWorker()
		require.NoError(t, err)
		require.Equal(t, config.MetricsEMF, c.Signals.Metrics)
		require.Equal(t, name, c.Signals.Installation)
	}
	for _, name := range []string{" ", "shöp", "shop\n", "shop\x7f", strings.Repeat("x", 256)} {
		t.Setenv("RECFLOW_INSTALLATION", name)
		_, err = config.ReadWorker()
		require.ErrorContains(t, err, "RECFLOW_INSTALLATION", name)
	}

	t.Setenv("RECFLOW_METRICS", "prometheus")
	for _, topic := range []string{"recflow", "arn:aws:sqs:eu-west-1:123456789012:q", "arn:aws:sns:eu-west-1:123456789012:t:subscription", "arn:aws:sns:eu-west-1:123456789012:t.fifo"} {
		t.Setenv("RECFLOW_OUTCOMES_TOPIC", topic)
		_, err = config.ReadWorker()
		require.ErrorContains(t, err, "RECFLOW_OUTCOMES_TOPIC", topic)
		require.ErrorContains(t, err, "RECFLOW_METRICS")
	}
}
