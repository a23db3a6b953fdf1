package backfill_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	good := &backfill.Earlier{State: backfill.Succeeded, Backfill: "a", Version: 7}
	gone := &backfill.Earlier{State: backfill.Succeeded, Backfill: "a", Version: 7, Gone: true}
	failed := &backfill.Earlier{State: backfill.Failed, Backfill: "a"}
	for _, c := range []struct {
		rerun  string
		before *backfill.Earlier
		state  string
		reason string
	}{
		{backfill.RerunAll, good, backfill.Pending, "the policy is to run everything"},
		{backfill.RerunMissing, nil, backfill.Pending, "it never ran"},
		{backfill.RerunMissing, good, backfill.Skipped, "already trained as version 7 of backfill a"},
		{backfill.RerunMissing, gone, backfill.Pending, "version 7 of backfill a was dropped"},
		{backfill.RerunMissing, failed, backfill.Pending, "failed in backfill a"},
		{backfill.RerunFailed, nil, backfill.Skipped, "it never failed"},
		{backfill.RerunFailed, failed, backfill.Pending, "failed in backfill a"},
		{backfill.RerunFailed, gone, backfill.Skipped, "already trained as version 7 of backfill a"},
	} {
		var s backfill.Window
		s.Decide(c.rerun, c.before)
		require.Equal(t, []string{c.state, c.reason}, []string{s.State, s.Reason})
		require.Equal(t, c.state == backfill.Skipped && c.before != nil, s.Version == 7)
	}
}
