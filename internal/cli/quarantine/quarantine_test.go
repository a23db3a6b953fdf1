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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/stream"
)

// putQuarantine writes documents as the delivery stream does, each in its own
// gzip member.
func putQuarantine(t *testing.T, bucket *awsclient.S3, hour time.Time, docs ...stream.Quarantined) {
	t.Helper()
	var body bytes.Buffer
	for _, q := range docs {
		line, err := json.Marshal(q)
		require.NoError(t, err)
		w := gzip.NewWriter(&body)
		_, err = w.Write(append(line, '\n'))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	key := hour.UTC().Format("quarantine/dt=2006-01-02/hour=15/") + fmt.Sprintf("q-1-%d.gz", body.Len())
	require.NoError(t, bucket.Put(t.Context(), key, bytes.NewReader(body.Bytes())))
}

func TestQuarantine(t *testing.T) {
	clitest.NewSystem(t)
	bucket := awstest.S3(t)
	s := clitest.NewStream(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", awstest.Env(t)["AWS_ENDPOINT_URL_S3"])
	t.Setenv("RECFLOW_BUCKET", bucket.Bucket())
	clitest.StartAPI(t, clitest.NoTemporal)
	t.Setenv("RECFLOW_BUCKET", "") // only the API reads the bucket

	t.Run("it reports an empty quarantine", func(t *testing.T) {
		assert.Equal(t, "no records were quarantined in the last 24h0m0s\n", clitest.Run(t.Context(), "", "quarantine", "list").Out)
		assert.Equal(t, "[]\n", clitest.Run(t.Context(), "", "quarantine", "list", "-o", "json").Out)
	})

	now := time.Now().UTC().Truncate(time.Microsecond)
	made := func(raw, reason string, age time.Duration) stream.Quarantined {
		rec := stream.Record{Data: []byte(raw), Stream: "arn", Shard: "s", SequenceNumber: raw, ArrivedAt: now.Add(-age)}
		d := stream.Decoded{Raw: rec.Data, Fault: &stream.Fault{Reason: reason, Detail: "a detail"}}
		return stream.Quarantine(rec, d, now.Add(-age))
	}
	const good = `{"event_id":"e","user_id":"user","item_id":"i","event_type":"click","occurred_at":"2026-01-02T03:04:05Z"}`
	broken := made("{\"user_id\":\"user\"\x1b[2J\xff", stream.NotUTF8, time.Minute)
	conflict := made(good, stream.Conflict, 2*time.Hour)
	old := made(`{"user_id":"user","event_id":7}`, stream.BadID, 30*time.Hour)
	large := made(strings.Repeat("x", 300<<10), stream.TooLarge, 3*time.Hour)
	require.NoError(t, bucket.Put(t.Context(), "quarantine-payloads/"+large.QuarantineID, bytes.NewReader(large.Raw)))
	large.RawKey, large.Raw = "quarantine-payloads/"+large.QuarantineID, nil
	again := conflict
	again.QuarantinedAt = now.Add(-90 * time.Minute)
	putQuarantine(t, bucket, now.Add(-30*time.Hour), old)
	putQuarantine(t, bucket, now.Add(-3*time.Hour), large)
	putQuarantine(t, bucket, now.Add(-2*time.Hour), conflict)
	putQuarantine(t, bucket, now, broken, again)

	list := func(args ...string) (docs []apiclient.QuarantineRecord) {
		r := clitest.Run(t.Context(), "", append([]string{"quarantine", "list", "-o", "json"}, args...)...)
		require.Zero(t, r.Code, r.Err)
		require.NoError(t, json.Unmarshal([]byte(r.Out), &docs))
		return docs
	}
	of := func(docs []apiclient.QuarantineRecord) (out []string) {
		for _, q := range docs {
			out = append(out, q.QuarantineID)
		}
		return out
	}
	ids := func(docs ...stream.Quarantined) (out []string) {
		for _, q := range docs {
			out = append(out, q.QuarantineID)
		}
		return out
	}
	t.Run("it lists each once, newest first", func(t *testing.T) {
		assert.Equal(t, ids(broken, conflict, large), of(list()))
		assert.Equal(t, ids(broken, conflict, large, old), of(list("--since", "48h")))
		assert.Equal(t, ids(broken), of(list("--limit", "1")))
		assert.Equal(t, ids(conflict), of(list("--reason", "conflict")))
		r := clitest.Run(t.Context(), "", "quarantine", "list")
		assert.Contains(t, r.Out, broken.QuarantineID)
		assert.Contains(t, r.Out, "a detail")
	})
	t.Run("it escapes a record for the terminal", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "quarantine", "show", broken.QuarantineID)
		require.Zero(t, r.Code, r.Err)
		assert.Contains(t, r.Out, `{"user_id":"user"\x1b[2J\xff`)
		assert.NotContains(t, r.Out, "\x1b")
		var q apiclient.QuarantineRecord
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "quarantine", "show", large.QuarantineID, "-o", "json").Out), &q))
		assert.Len(t, q.Raw, 300<<10)
		assert.Equal(t, large.RawKey, q.RawKey)
		r = clitest.Run(t.Context(), "", "quarantine", "show", large.QuarantineID)
		assert.Contains(t, r.Out, large.RawKey)
		assert.Contains(t, r.Out, "quarantine/dt=")
		missing := clitest.Run(t.Context(), "", "quarantine", "show", "nothing")
		assert.Equal(t, app.ExitNotFound, missing.Code)
		assert.Contains(t, missing.Err, `no record "nothing" in quarantine`)
		missing = clitest.Run(t.Context(), "", "quarantine", "replay", "nothing", broken.QuarantineID)
		assert.Equal(t, app.ExitNotFound, missing.Code)
		assert.Contains(t, missing.Err, `no record "nothing" in quarantine`)
		assert.Empty(t, s.Records("events"), "it sends all of the named records or none")
	})
	t.Run("it continues after a damaged object, and reports it", func(t *testing.T) {
		key := now.Add(-2*time.Hour).Format("quarantine/dt=2006-01-02/hour=15/") + "damaged.gz"
		for _, body := range []string{"not gzip", "\x1f\x8b\b\x00\x00\x00\x00\x00\x00\xff\x00"} {
			require.NoError(t, bucket.Put(t.Context(), key, strings.NewReader(body)))
			r := clitest.Run(t.Context(), "", "quarantine", "list", "-o", "json")
			require.Zero(t, r.Code, r.Err)
			assert.Contains(t, r.Err, "damaged.gz")
			assert.Equal(t, ids(broken, conflict, large), of(list()))
		}
		require.NoError(t, bucket.DeleteObjects(t.Context(), key))
	})
	t.Run("it prints what a replay would do", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "quarantine", "replay", "--all", "--dry-run")
		require.Zero(t, r.Code, r.Err)
		assert.Contains(t, r.Err, "1 in conflict would be quarantined again")
		assert.Contains(t, r.Err, "2 are invalid and would be quarantined again")
		assert.Empty(t, s.Records("events"))
	})
	t.Run("it puts the original bytes on the stream, under the user", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "quarantine", "replay", conflict.QuarantineID, broken.QuarantineID)
		require.Zero(t, r.Code, r.Err)
		sent := map[string]string{}
		for _, r := range s.Records("events") {
			sent[*r.PartitionKey] = string(r.Data)
		}
		assert.Equal(t, map[string]string{"user": good, broken.QuarantineID: string(broken.Raw)}, sent)
		assert.Contains(t, r.Out, "yes")
	})
	t.Run("it sends other bytes if they are valid", func(t *testing.T) {
		before := len(s.Records("events"))
		r := clitest.Run(t.Context(), "{}", "quarantine", "replay", old.QuarantineID, "--with", "-")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "is not a valid event: missing_field")
		r = clitest.Run(t.Context(), good+"\n", "quarantine", "replay", old.QuarantineID, "--with", "-")
		require.Zero(t, r.Code, r.Err)
		assert.Regexp(t, `bad_id +user +\d+ +usable +yes`, r.Out)
		assert.Len(t, s.Records("events"), before+1)
		r = clitest.Run(t.Context(), "\ufeff"+good+"\r\n", "quarantine", "replay", old.QuarantineID, "--with", "-", "--dry-run")
		require.Zero(t, r.Code, "some editors write a byte order mark: "+r.Err)
	})
	t.Run("a conflict stays a conflict under the same id", func(t *testing.T) {
		withID := conflict
		withID.QuarantineID, withID.EventID = "with-id", "e"
		putQuarantine(t, bucket, now, withID)
		other := strings.Replace(good, `"i"`, `"j"`, 1)
		r := clitest.Run(t.Context(), other, "quarantine", "replay", "with-id", "--with", "-", "--dry-run")
		require.Zero(t, r.Code, r.Err)
		assert.Regexp(t, `conflict +user +\d+ +conflict +no`, r.Out)
		r = clitest.Run(t.Context(), strings.Replace(other, `"e"`, `"e2"`, 1), "quarantine", "replay", "with-id", "with-id", "--dry-run", "-o", "csv")
		require.Equal(t, 1, strings.Count(r.Out, "with-id"), "named twice, replayed once")
	})
	t.Run("it replays many records page by page, oldest first", func(t *testing.T) {
		const users = 10
		var many []stream.Quarantined
		for i := range 1003 { // more than a page, and more than two batches
			raw := fmt.Sprintf(`{"event_id":"many%04d","user_id":"crowd%d","item_id":"i","event_type":"click","occurred_at":"2026-01-02T03:04:05Z"}`, i, i%users)
			many = append(many, made(raw, stream.BadTime, time.Hour-time.Duration(i)*time.Millisecond))
		}
		gone := made("gone", stream.BadTime, 2*time.Hour)
		gone.RawKey, gone.Raw = "quarantine-payloads/"+gone.QuarantineID, nil
		putQuarantine(t, bucket, now, append(slices.Clone(many[500:]), gone)...)
		putQuarantine(t, bucket, now, many[:500]...)
		assert.Len(t, list("--reason", stream.BadTime, "--limit", "1002"), 1002)
		r := clitest.Run(t.Context(), "", "quarantine", "replay", "--reason", stream.BadTime, "-o", "csv")
		assert.Equal(t, app.ExitNotFound, r.Code)
		assert.Contains(t, r.Err, gone.QuarantineID)
		assert.Contains(t, r.Err, "its payload has expired")
		assert.Equal(t, len(many), strings.Count(r.Out, ",usable,yes\n"))
		sent := map[string][]string{}
		for _, r := range s.Records("events") {
			sent[*r.PartitionKey] = append(sent[*r.PartitionKey], string(r.Data))
		}
		for user := range users {
			of := sent[fmt.Sprint("crowd", user)]
			assert.InDelta(t, len(many)/users, len(of), 1)
			assert.True(t, slices.IsSorted(of), "oldest first")
		}
	})
	for name, args := range map[string][]string{
		"nothing named": {}, "two ways": {"id", "--all"}, "bytes for several": {"--all", "--with", "f"}, "no time": {"--all", "--since", "0s"},
	} {
		t.Run("it calls "+name+" wrong usage", func(t *testing.T) {
			assert.Equal(t, 2, clitest.Run(t.Context(), "", append([]string{"quarantine", "replay"}, args...)...).Code)
		})
	}
}

func TestEscaped(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `é \x1b[0m\n\\ \xff \u009b\u202e`, output.Escape("é \x1b[0m\n\\ \xff \u009b\u202e"))
}
