package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// entry is a line of the log.
type entry struct {
	Message string `json:"msg"`
	Step    string `json:"step"`
	Error   string `json:"error"`
	Stack   string `json:"stack"`
}

func TestHandler_logs_a_panic_without_user_ids(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	const user = "user-id-that-must-not-leak"
	for step, during := range map[string]string{
		"store":    "handle a batch",
		"verdicts": "record the verdicts",
	} {
		t.Run(step, func(t *testing.T) {
			b.deleteEvents()
			b.restart()
			var log bytes.Buffer
			b.Log = slog.New(slog.NewJSONHandler(&log, nil))
			b.inject(t, step, "panic before")
			require.NotEmpty(t, b.send(click(user, 1, 1)), "the record is retried")

			var found []entry
			for lines := json.NewDecoder(bytes.NewReader(log.Bytes())); ; {
				var e entry
				err := lines.Decode(&e)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				found = append(found, e)
			}
			require.Len(t, found, 1, log.String())
			assert.Equal(t, []string{during, "panic: injected"}, []string{found[0].Step, found[0].Error})
			assert.Contains(t, found[0].Stack, "(*bundle).inject")
			assert.NotContains(t, log.String(), user)
		})
	}
}
