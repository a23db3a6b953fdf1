package eventsource

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each test is a statement of AWS's documents; doc.go lists them.

func TestMapping_sends_events_in_the_format_of_AWS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.put("user<1>/a")
	f.start()
	f.invocations(1)
	require.Len(t, f.calls[0].Records, 1)
	r := f.calls[0].Records[0]
	stored := f.server.Records(streamName)[0]
	require.Equal(t, "aws:kinesis", r.EventSource)
	require.Equal(t, "aws:kinesis:record", r.EventName)
	require.Equal(t, "1.0", r.EventVersion)
	require.Equal(t, "us-east-1", r.AwsRegion)
	require.Equal(t, "shardId-000000000000:"+*stored.SequenceNumber, r.EventID)
	require.Equal(t, "arn:aws:kinesis:us-east-1:000000000000:stream/events", r.EventSourceArn)
	require.Equal(t, f.options.RoleARN, r.InvokeIdentityArn)
	require.Equal(t, *stored.SequenceNumber, r.Kinesis.SequenceNumber)
	require.Equal(t, "user<1>", r.Kinesis.PartitionKey)
	require.Equal(t, "1.0", r.Kinesis.KinesisSchemaVersion)
	require.Equal(t, "user<1>/a", string(r.Kinesis.Data))
	require.WithinDuration(t, *stored.ApproximateArrivalTimestamp, r.Kinesis.ApproximateArrivalTimestamp.Time, time.Millisecond)
}

func TestMapping_reads_responses_as_documented(t *testing.T) {
	t.Parallel()
	all := ids("k", 0, 4)
	whole, rest := [][]string{all, all}, [][]string{all, all[2:]}
	for name, c := range map[string]struct {
		response func(batch) string
		want     [][]string
	}{
		"nothing":               {func(batch) string { return "" }, [][]string{all}},
		"null":                  {func(batch) string { return "null" }, [][]string{all}},
		"an empty response":     {func(batch) string { return "{}" }, [][]string{all}},
		"an empty list":         {func(batch) string { return `{"batchItemFailures":[]}` }, [][]string{all}},
		"a null list":           {func(batch) string { return `{"batchItemFailures":null}` }, [][]string{all}},
		"one record":            {func(b batch) string { return string(b.report(2)) }, rest},
		"several, the lowest":   {func(b batch) string { return string(b.report(3, 2)) }, rest},
		"the first record":      {func(b batch) string { return string(b.report(0)) }, whole},
		"an empty identifier":   {func(batch) string { return `{"batchItemFailures":[{"itemIdentifier":""}]}` }, whole},
		"a null identifier":     {func(batch) string { return `{"batchItemFailures":[{"itemIdentifier":null}]}` }, whole},
		"a bad key name":        {func(batch) string { return `{"batchItemFailures":[{"ItemIdentifier":"x"}]}` }, whole},
		"no key":                {func(batch) string { return `{"batchItemFailures":[{}]}` }, whole},
		"a number":              {func(batch) string { return `{"batchItemFailures":[{"itemIdentifier":7}]}` }, whole},
		"an unknown identifier": {func(batch) string { return `{"batchItemFailures":[{"itemIdentifier":"123"}]}` }, whole},
		"a known and an unknown one": {func(b batch) string {
			return `{"batchItemFailures":[{"itemIdentifier":"` + b.Records[2].Kinesis.SequenceNumber + `"},{"itemIdentifier":"1"}]}`
		}, whole},
		"something else": {func(batch) string { return `"done"` }, whole},
		"no JSON":        {func(batch) string { return `{` }, whole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			f.options.ReportBatchItemFailures = true
			f.replies = func(n int, b batch) ([]byte, string, error) {
				if n == 1 {
					return []byte(c.response(b)), "", nil
				}
				return nil, "", nil
			}
			f.put(all...)
			f.start()
			f.done(4)
			require.Equal(t, c.want, f.seen())
		})
	}
}

func TestMapping_ignores_responses_unless_configured(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.replies = func(_ int, b batch) ([]byte, string, error) { return b.report(0), "", nil }
	f.put(ids("k", 0, 4)...)
	f.start()
	f.done(4)
	require.Len(t, f.seen(), 1)
}

// retryCase lists the expected invocations for four records and a function that
// fails in some way.
type retryCase struct {
	set     func(*Options)
	reply   func(n int, b batch) ([]byte, string, error)
	want    [][]string
	givenUp []string
}

func retryCases() map[string]retryCase {
	all := ids("k", 0, 4)
	fail := func(_ int, b batch) ([]byte, string, error) {
		if b.ids[0] == "k/next" {
			return nil, "", nil
		}
		return nil, "Unhandled", nil
	}
	poison := func(_ int, b batch) ([]byte, string, error) {
		for _, id := range b.ids {
			if id == all[2] {
				return nil, "Unhandled", nil
			}
		}
		return nil, "", nil
	}
	partial := func(_ int, b batch) ([]byte, string, error) {
		for i, id := range b.ids {
			if id == all[2] {
				return b.report(i), "", nil
			}
		}
		return nil, "", nil
	}
	return map[string]retryCase{
		"no retries": {set: func(o *Options) { o.MaxRetries = NoRetries }, reply: fail, want: [][]string{all}, givenUp: all},
		"two retries of the whole batch": {set: func(o *Options) { o.MaxRetries = 2 }, reply: fail,
			want: [][]string{all, all, all}, givenUp: all},
		"a split is not a retry": {set: func(o *Options) { o.MaxRetries, o.BisectOnError = 1, true }, reply: poison,
			want: [][]string{all, all[:2], all[2:], all[2:3], all[2:3], all[3:]}, givenUp: all[2:3]},
		"a split without retries": {set: func(o *Options) { o.MaxRetries, o.BisectOnError = NoRetries, true }, reply: poison,
			want: [][]string{all, all[:2], all[2:], all[2:3], all[3:]}, givenUp: all[2:3]},
		"the rest is discarded together": {set: func(o *Options) { o.MaxRetries, o.ReportBatchItemFailures = 1, true }, reply: partial,
			want: [][]string{all, all[2:]}, givenUp: all[2:]},
		"a split at the named record": {set: func(o *Options) {
			o.MaxRetries, o.ReportBatchItemFailures, o.BisectOnError = 1, true, true
		}, reply: partial, want: [][]string{all, all[2:], all[2:]}, givenUp: all[2:]},
		"a split in halves where no record is named": {set: func(o *Options) {
			o.MaxRetries, o.ReportBatchItemFailures, o.BisectOnError = NoRetries, true, true
		}, reply: poison, want: [][]string{all, all[:2], all[2:], all[2:3], all[3:]}, givenUp: all[2:3]},
		"a call without invocation is not a retry": {set: func(o *Options) { o.MaxRetries, o.BisectOnError = NoRetries, true },
			reply: func(n int, _ batch) ([]byte, string, error) {
				if n <= 3 {
					return nil, "", errors.New("throttled")
				}
				return nil, "", nil
			}, want: [][]string{all, all, all, all}},
	}
}

func TestMapping_retries_splits_and_gives_up_as_documented(t *testing.T) {
	t.Parallel()
	for name, c := range retryCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			f.destination()
			c.set(&f.options)
			f.injects()
			f.replies = c.reply
			f.put(ids("k", 0, 4)...)
			f.start()
			f.done(4)
			require.Equal(t, c.want, f.seen())
			_, givenUp := f.bucket.records(t)
			require.Equal(t, c.givenUp, givenUp)
			f.put("k/next") // the shard continues
			f.done(5)
		})
	}
}

func TestMapping_retries_without_limit_by_default(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.destination()
	f.injects(failInvocation)
	f.replies = func(n int, _ batch) ([]byte, string, error) {
		if n <= 50 {
			return nil, "Unhandled", nil
		}
		return nil, "", nil
	}
	f.put("k")
	f.start()
	f.done(1)
	require.Len(t, f.seen(), 51)
	require.Empty(t, f.bucket.objects)
}

func TestMapping_writes_failure_records_in_the_format_of_AWS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.destination()
	f.options.MaxRetries = 1
	f.injects(failInvocation)
	f.replies = func(int, batch) ([]byte, string, error) { return nil, "Unhandled", nil }
	f.put("k/1", "k/2")
	f.start()
	f.done(2)
	all, ids := f.bucket.records(t)
	require.Equal(t, []string{"k/1", "k/2"}, ids)
	r, stored := all[0], f.server.Records(streamName)
	require.Equal(t, "RetryAttemptsExhausted", r.RequestContext.Condition)
	require.Equal(t, 2, r.RequestContext.Invocations)
	require.Equal(t, f.options.FunctionARN, r.RequestContext.FunctionARN)
	require.Equal(t, "Unhandled", *r.ResponseContext.FunctionError)
	require.Equal(t, 200, r.ResponseContext.StatusCode)
	require.Equal(t, batchInfo{
		Shard: "shardId-000000000000", First: *stored[0].SequenceNumber, Last: *stored[1].SequenceNumber,
		FirstTime: stamp(*stored[0].ApproximateArrivalTimestamp), LastTime: stamp(*stored[1].ApproximateArrivalTimestamp),
		Size: 2, StreamARN: "arn:aws:kinesis:us-east-1:000000000000:stream/events",
	}, r.BatchInfo)
	for key := range f.bucket.objects {
		require.Regexp(t, `^failed/shardId-000000000000/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}\.json$`, key)
	}
}

func TestMapping_discards_records_that_are_too_old(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.destination()
	f.options.MaxRecordAge = 2 * time.Second
	f.injects(throttle)
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		if b.ids[0] == "k/old" {
			return nil, "", errors.New("throttled")
		}
		return nil, "", nil
	}
	f.put("k/old")
	f.start()
	f.done(1)
	all, ids := f.bucket.records(t)
	require.Equal(t, []string{"k/old"}, ids)
	require.Equal(t, ageExceeded, all[0].RequestContext.Condition)
	f.put("k/new")
	f.done(2)
	require.Contains(t, f.seen(), []string{"k/new"})
}

func TestMapping_waits_for_a_destination_that_fails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.destination()
	f.options.MaxRetries = NoRetries
	f.injects(failInvocation, failPut)
	var broken atomic.Bool
	broken.Store(true)
	f.bucket.fail = func() error {
		if broken.Load() {
			f.faults.Inject(failPut)
			return errors.New("no such bucket")
		}
		return nil
	}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		if b.ids[0] == "k/bad" {
			return nil, "Unhandled", nil
		}
		return nil, "", nil
	}
	f.put("k/bad")
	f.start()
	f.eventually(func() bool { return f.Mapping.Status().Counts.PutErrors > 2 }, "attempts")
	f.put("k/next")
	f.eventually(func() bool { return f.Mapping.Status().Shards[0].Pending == 2 }, "both pending")
	require.Len(t, f.seen(), 1, "the shard waits")
	require.Contains(t, f.Mapping.Status().LastError, "no such bucket")
	broken.Store(false)
	f.done(2)
	_, ids := f.bucket.records(t)
	require.Equal(t, []string{"k/bad"}, ids)
}
