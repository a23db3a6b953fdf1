package quarantine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

var day = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)

// made returns a record that was quarantined at an hour of the day.
func made(raw, reason string, hour int) stream.Quarantined {
	at := day.Add(time.Duration(hour) * time.Hour)
	rec := stream.Record{Data: []byte(raw), Stream: "arn", Shard: "s", SequenceNumber: raw, ArrivedAt: at}
	return stream.Quarantine(rec, stream.Decoded{Raw: rec.Data, Fault: &stream.Fault{Reason: reason, Detail: "a detail"}}, at)
}

// put writes records as Firehose delivers them, each in its own gzip member,
// followed by tail.
func put(t *testing.T, bucket *awsclient.S3, name string, hour int, tail string, records ...stream.Quarantined) string {
	t.Helper()
	var body bytes.Buffer
	for _, q := range records {
		line, err := json.Marshal(q)
		require.NoError(t, err)
		w := gzip.NewWriter(&body)
		_, err = w.Write(append(line, '\n'))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	key := day.Add(time.Duration(hour)*time.Hour).Format("quarantine/dt=2006-01-02/hour=15/") + name
	require.NoError(t, bucket.Put(t.Context(), key, strings.NewReader(body.String()+tail)))
	return key
}

func ids(records []quarantine.Record) (found []string) {
	for _, q := range records {
		found = append(found, q.QuarantineID)
	}
	return found
}

func TestReader(t *testing.T) {
	t.Parallel()
	bucket := awstest.S3(t)
	r := &quarantine.Reader{Bucket: bucket}
	list := func(f quarantine.Filter) quarantine.Page {
		t.Helper()
		f.Day = day.Add(5 * time.Hour)
		p, err := r.List(t.Context(), f)
		require.NoError(t, err)
		return p
	}
	require.Empty(t, list(quarantine.Filter{Limit: 10}).Records)

	first, second, third := made("one", stream.NotJSON, 3), made("two", stream.Conflict, 4), made("three", stream.NotJSON, 20)
	large := made(strings.Repeat("x", 300<<10), stream.TooLarge, 2)
	bytesOfLarge := large.Raw
	large.RawKey, large.Raw = stream.PayloadPrefix+large.QuarantineID, nil
	object := put(t, bucket, "a.gz", 3, "", large, first, second)
	put(t, bucket, "b.gz", 4, "", second) // delivered twice
	damaged := put(t, bucket, "c.gz", 20, "not gzip", third)
	put(t, bucket, "d.txt", 20, "not a delivery")

	t.Run("it lists each record of a day once, newest first", func(t *testing.T) {
		p := list(quarantine.Filter{Limit: 10})
		require.Equal(t, []string{third.QuarantineID, second.QuarantineID, first.QuarantineID, large.QuarantineID}, ids(p.Records))
		require.False(t, p.More)
		require.Equal(t, []string{damaged}, p.Damaged, "and continues after a damaged object")
		for _, q := range p.Records {
			require.Nil(t, q.Raw, "without their payloads")
		}
	})
	t.Run("it filters and limits", func(t *testing.T) {
		require.Equal(t, []string{third.QuarantineID, first.QuarantineID}, ids(list(quarantine.Filter{Reason: stream.NotJSON, Limit: 10}).Records))
		p := list(quarantine.Filter{Limit: 2})
		require.Equal(t, []string{third.QuarantineID, second.QuarantineID}, ids(p.Records))
		require.True(t, p.More)
	})
	t.Run("it pages through a day in both directions", func(t *testing.T) {
		newest := []string{third.QuarantineID, second.QuarantineID, first.QuarantineID, large.QuarantineID}
		oldest := slices.Clone(newest)
		slices.Reverse(oldest)
		for _, f := range []quarantine.Filter{{Limit: 1}, {Limit: 3}, {Limit: 1, Oldest: true}, {Limit: 3, Oldest: true}} {
			var got []string
			for more := true; more; {
				p := list(f)
				got, more = append(got, ids(p.Records)...), p.More
				last := p.Records[len(p.Records)-1]
				f.After = quarantine.Position{At: last.QuarantinedAt, ID: last.QuarantineID}
			}
			require.Equal(t, map[bool][]string{false: newest, true: oldest}[f.Oldest], got)
		}
	})
	t.Run("it finds a record with its payload", func(t *testing.T) {
		for _, in := range []string{object, ""} {
			q, err := r.Get(t.Context(), in, first.QuarantineID)
			require.NoError(t, err)
			require.Equal(t, "one", string(q.Raw))
			require.Equal(t, object, q.Object)
		}
		_, err := r.Get(t.Context(), object, large.QuarantineID)
		require.ErrorIs(t, err, recsys.ErrNotFound, "its payload has expired")
		require.NoError(t, bucket.Put(t.Context(), large.RawKey, bytes.NewReader(bytesOfLarge)))
		q, err := r.Get(t.Context(), object, large.QuarantineID)
		require.NoError(t, err)
		require.Equal(t, bytesOfLarge, q.Raw)
		for _, in := range []string{damaged, ""} {
			_, err = r.Get(t.Context(), in, "none")
			require.ErrorIs(t, err, recsys.ErrNotFound)
		}
		_, err = r.Get(t.Context(), damaged, first.QuarantineID)
		require.ErrorIs(t, err, recsys.ErrNotFound, "it is in another object")
	})
	t.Run("it reads no payload from other prefixes of the bucket", func(t *testing.T) {
		elsewhere := made("four", stream.TooLarge, 5)
		elsewhere.RawKey = "embeddings/secret"
		object := put(t, bucket, "e.gz", 5, "", elsewhere)
		_, err := r.Get(t.Context(), object, elsewhere.QuarantineID)
		require.ErrorContains(t, err, "not under "+stream.PayloadPrefix)
		require.NotErrorIs(t, err, recsys.ErrNotFound)
	})
	t.Run("it returns the newest of many", func(t *testing.T) {
		var many []stream.Quarantined
		for i := range 40 {
			many = append(many, made(fmt.Sprintf("many %d", i), stream.BadID, 10+i%9))
		}
		put(t, bucket, "f.gz", 10, "", many...)
		put(t, bucket, "g.gz", 11, "", many...)
		p := list(quarantine.Filter{Reason: stream.BadID, Limit: 4})
		require.Len(t, p.Records, 4)
		require.True(t, p.More)
		for _, q := range p.Records {
			require.Equal(t, day.Add(18*time.Hour), q.QuarantinedAt.UTC())
		}
	})
}
