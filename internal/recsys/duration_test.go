package recsys_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour, "0d": 0, "36h": 36 * time.Hour, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "0s": 0,
		"36499d": 36_499 * 24 * time.Hour,
	} {
		got, err := recsys.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "7", "-1d", "-1h", "NaNd", "Infd", "36500d", "1d12h", "7 d", "never"} {
		_, err := recsys.ParseDuration(text)
		require.Error(t, err, text)
	}
}
