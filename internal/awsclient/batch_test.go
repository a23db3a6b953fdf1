package awsclient

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

// sink is a service that accepts texts, at most five of ten bytes per call. A text
// is its key followed by its number.
type sink struct {
	calls [][]string
	at    []time.Time // per call
	took  []string    // texts put, in order

	refuse func(text string) error // of a record; nil: none
	err    error                   // of a whole call
}

func (s *sink) call(_ context.Context, texts []string) ([]PutResult, error) {
	s.calls, s.at = append(s.calls, texts), append(s.at, time.Now())
	if s.err != nil {
		return nil, s.err
	}
	results := make([]PutResult, len(texts))
	for i, text := range texts {
		if s.refuse != nil {
			results[i].Err = s.refuse(text)
		}
		if results[i].Err == nil {
			results[i].SequenceNumber = text
			s.took = append(s.took, text)
		}
	}
	return results, nil
}

func (s *sink) batch() *batchPut[string] {
	return &batchPut[string]{to: "sink", maxRecords: 5, maxBytes: 10, size: func(text string) int { return len(text) }, call: s.call}
}

func (s *sink) ordered() *batchPut[string] {
	b := s.batch()
	b.key = func(text string) string { return text[:1] }
	return b
}

// once fails each text the first time.
func once(texts ...string) func(string) error {
	left := map[string]bool{}
	for _, text := range texts {
		left[text] = true
	}
	return func(text string) error {
		if !left[text] {
			return nil
		}
		delete(left, text)
		return recordError(&text, nil)
	}
}

func TestBatchPut_retries_only_failed_records(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{refuse: once("b", "d")}
		results, err := s.batch().put(t.Context(), []string{"a", "b", "c", "d", "e", "f"})
		require.NoError(t, err)
		require.Equal(t, [][]string{{"a", "b", "c", "d", "e"}, {"b", "d", "f"}}, s.calls)
		for i, text := range []string{"a", "b", "c", "d", "e", "f"} {
			require.Equal(t, PutResult{SequenceNumber: text}, results[i])
		}
	})
}

func TestBatchPut_keeps_within_the_limits_of_a_call(t *testing.T) {
	t.Parallel()
	s := &sink{}
	_, err := s.batch().put(t.Context(), []string{"1", "2", "3", "4", "5", "6", "aaaaaaaaaa", "bbbbb", "ccccc", "d"})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"1", "2", "3", "4", "5"}, {"6"}, {"aaaaaaaaaa"}, {"bbbbb", "ccccc"}, {"d"}}, s.calls)

	results, err := s.batch().put(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, results)
	require.Len(t, s.calls, 5, "nothing to put, no call")
}

func TestBatchPut_keeps_the_order_of_a_key_under_faults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{refuse: once("a1")}
		_, err := s.ordered().put(t.Context(), []string{"a1", "a2", "b1", "a3", "c1"})
		require.NoError(t, err)
		require.Equal(t, [][]string{{"a1", "b1", "c1"}, {"a1"}, {"a2"}, {"a3"}}, s.calls)
	})
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[abc][0-9]{1,4}`), 1, 30).Draw(rt, "texts")
		var faults []bool
		for range rapid.IntRange(0, 40).Draw(rt, "faults") {
			faults = append(faults, rapid.Bool().Draw(rt, "fault"))
		}
		s := &sink{refuse: func(string) error {
			if len(faults) == 0 {
				return nil
			}
			fails := faults[0]
			if faults = faults[1:]; fails {
				return errors.New("refused")
			}
			return nil
		}}
		synctest.Test(t, func(*testing.T) {
			_, err := s.ordered().put(context.Background(), texts)
			require.NoError(rt, err)
		})
		of := func(all []string, key string) (some []string) {
			for _, text := range all {
				if strings.HasPrefix(text, key) {
					some = append(some, text)
				}
			}
			return some
		}
		for _, key := range []string{"a", "b", "c"} {
			require.Equal(rt, of(texts, key), of(s.took, key))
		}
	})
}

func TestBatchPut_backs_off_while_records_are_throttled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code, n := "ProvisionedThroughputExceededException", 0
		s := &sink{}
		s.refuse = func(string) error {
			if n++; n <= 10 {
				return recordError(&code, nil)
			}
			return nil
		}
		_, err := s.batch().put(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Len(t, s.at, 11)
		limit := putPause
		for i := range 10 {
			paused := s.at[i+1].Sub(s.at[i])
			require.GreaterOrEqual(t, paused, limit/2, "pause %d", i)
			require.LessOrEqual(t, paused, limit, "pause %d", i)
			limit = min(2*limit, maxPutPause)
		}
	})
}

func TestBatchPut_stops_before_the_deadline_and_reports_unwritten_records(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code := "ProvisionedThroughputExceededException"
		s := &sink{refuse: func(text string) error {
			if text == "b1" {
				return recordError(&code, nil)
			}
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		results, err := s.ordered().put(ctx, []string{"a1", "b1", "b2", "c1"})
		require.NoError(t, ctx.Err(), "it returns before its deadline")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, Throttled(err))
		require.NoError(t, results[0].Err)
		require.Equal(t, recordError(&code, nil), results[1].Err, "its own error")
		require.ErrorIs(t, results[2].Err, context.DeadlineExceeded, "behind the failed one")
		require.NoError(t, results[3].Err)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sink{refuse: func(string) error { cancel(); return errors.New("refused") }}
		results, err := s.batch().put(ctx, []string{"a"})
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, results[0].Err, "refused")
	})
}

func TestBatchPut_stops_after_a_failed_call(t *testing.T) {
	t.Parallel()
	s := &sink{err: recsys.ErrNotFound}
	results, err := s.batch().put(t.Context(), []string{"a", "b", "c", "d", "e", "f"})
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.EqualError(t, err, "put 5 records to sink: "+recsys.ErrNotFound.Error())
	require.Len(t, s.calls, 1, "the SDK has retried it")
	for _, r := range results {
		require.Equal(t, err, r.Err)
	}
	short := s.batch()
	short.call = func(context.Context, []string) ([]PutResult, error) { return nil, nil }
	_, err = short.put(t.Context(), []string{"a"})
	require.ErrorContains(t, err, "0 results for 1 records")
}
