package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/stream"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	require.Equal(t, "no_bucket", h.Do("GET", "/quarantine", nil).Problem(t).Code)
	require.Equal(t, "no_bucket", h.Do("GET", "/quarantine/x", nil).Problem(t).Code)

	bucket := awstest.S3(t)
	h.quarantine = &quarantine.Reader{Bucket: bucket}
	require.JSONEq(t, `{"items":[]}`, string(h.Do("GET", "/quarantine", nil).Body))
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	var made []stream.Quarantined
	for i, raw := range []string{"one\x1b\xff", "two"} {
		rec := stream.Record{Data: []byte(raw), Stream: "arn", Shard: "s", SequenceNumber: raw[:3], ArrivedAt: day.Add(time.Hour)}
		q := stream.Quarantine(rec, stream.Decoded{Raw: rec.Data, EventID: "e", Fault: &stream.Fault{Reason: stream.NotJSON, Detail: "a detail"}}, day.Add(time.Duration(i)*time.Hour))
		made = append(made, q)
		require.NoError(t, json.NewEncoder(w).Encode(q))
	}
	require.NoError(t, w.Close())
	const object = "quarantine/dt=2026-01-31/hour=01/q.gz"
	require.NoError(t, bucket.Put(t.Context(), object, bytes.NewReader(body.Bytes())))

	found, err := api.Quarantine(t.Context(), apiclient.QuarantineQuery{Day: day, Reason: stream.NotJSON, Limit: 1})
	require.NoError(t, err)
	require.Len(t, found.Items, 1)
	require.Equal(t, made[1].QuarantineID, found.Items[0].QuarantineID, "the newest")
	require.Nil(t, found.Items[0].Raw)
	require.Equal(t, object, found.Items[0].Object)
	found, err = api.Quarantine(t.Context(), apiclient.QuarantineQuery{Day: day, Limit: 1, Cursor: found.Next})
	require.NoError(t, err)
	require.Equal(t, made[0].QuarantineID, found.Items[0].QuarantineID, "the next")
	require.Empty(t, found.Next)
	found, err = api.Quarantine(t.Context(), apiclient.QuarantineQuery{Day: day, Limit: 1, Oldest: true})
	require.NoError(t, err)
	require.Equal(t, made[0].QuarantineID, found.Items[0].QuarantineID, "the oldest")

	got, err := api.QuarantineRecord(t.Context(), object, made[0].QuarantineID)
	require.NoError(t, err)
	require.Equal(t, made[0].Raw, got.Raw, "its bytes, whatever they are")
	anywhere, err := api.QuarantineRecord(t.Context(), "", made[0].QuarantineID)
	require.NoError(t, err)
	require.Equal(t, got, anywhere)
	want := quarantineRecordOf(quarantine.Record{Quarantined: made[0], Object: object})
	want.ArrivedAt, want.QuarantinedAt = got.ArrivedAt, got.QuarantinedAt
	require.Equal(t, want, got)
	require.True(t, made[0].ArrivedAt.Equal(got.ArrivedAt))

	for path, code := range map[string]string{
		"/quarantine?day=yesterday": "invalid_request", "/quarantine?day=2026-02-30": "invalid_request", "/quarantine?limit=1001": "invalid_request",
		"/quarantine?order=any": "invalid_request", "/quarantine?cursor=x": "bad_cursor", "/quarantine?cursor=" + rest.EncodeCursor("7"): "bad_cursor",
		"/quarantine/x": "not_found", "/quarantine/x?object=" + object: "not_found",
		"/quarantine/" + made[0].QuarantineID + "?object=quarantine/dt=2026-01-31/hour=02/q.gz": "not_found",
		"/quarantine/x?object=raw/events/x.gz":                                                  "invalid_request", "/quarantine/x?object=quarantine/../raw/x.gz": "invalid_request",
	} {
		require.Equal(t, code, h.Do("GET", path, nil).Problem(t).Code, path)
	}
	require.Equal(t, "missing_scope", h.DoAs(h.TokenWith("shop", apiclient.ScopeEvents), "GET", "/quarantine", nil).Problem(t).Code)
	reader := h.TokenWith("reader", apiclient.ScopeRead)
	require.Equal(t, http.StatusOK, h.DoAs(reader, "GET", "/quarantine", nil).Status)
	require.Equal(t, "missing_scope", h.DoAs(reader, "GET", "/quarantine/x", nil).Problem(t).Code, "the bytes may hold anything")
}
