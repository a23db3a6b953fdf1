package firehose_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 20 * time.Second

// client is the unmodified SDK, without retries.
func client(t testing.TB, url string) *sdk.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &url, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})
}

func serve(t testing.TB, o firehose.Options) (*firehose.Server, *sdk.Client) {
	t.Helper()
	s, err := firehose.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return s, client(t, h.URL)
}

func batch(records ...[]byte) *sdk.PutRecordBatchInput {
	in := &sdk.PutRecordBatchInput{DeliveryStreamName: aws.String("s"), Records: []types.Record{}}
	for _, r := range records {
		in.Records = append(in.Records, types.Record{Data: r})
	}
	return in
}

func lines(from, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "record %06d\n", from+i)
	}
	return out
}

func texts(records [][]byte) (out []string) {
	for _, r := range records {
		out = append(out, strings.TrimSuffix(string(r), "\n"))
	}
	return out
}

// code returns the error code of a response, or the text of another error.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestServer_combines_puts_in_one_object(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	s, c := serve(t, firehosetest.Options(t, b))
	for i := range 3 {
		out, err := c.PutRecordBatch(t.Context(), batch(lines(400*i, 400)...))
		require.NoError(t, err)
		require.Zero(t, *out.FailedPutCount)
		require.Len(t, out.RequestResponses, 400)
		require.NotEmpty(t, *out.RequestResponses[399].RecordId)
	}
	one, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{DeliveryStreamName: aws.String("s"), Record: &types.Record{Data: lines(1200, 1)[0]}})
	require.NoError(t, err)
	require.NotEmpty(t, *one.RecordId)
	require.Eventually(t, func() bool { return len(b.Lines("")) == 1201 }, patience, 5*time.Millisecond)
	require.Equal(t, texts(lines(0, 1201)), b.Lines("out/"))
	objects := b.Objects("")
	require.LessOrEqual(t, len(objects), 4)
	for key := range objects {
		require.Regexp(t, `^out/dt=\d{4}-\d\d-\d\d/hour=\d\d/s-1-\d{4}(-\d\d){5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz$`, key)
	}
	require.Eventually(t, func() bool { return s.Status()[0].BacklogBytes == 0 }, patience, time.Millisecond)
	require.Equal(t, firehose.StreamStatus{Stream: "s", Objects: int64(len(objects)), Records: 1201}, s.Status()[0])
}

func TestServer_delivers_a_full_buffer(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	o := firehosetest.Options(t, b)
	o.Streams[0].BufferEvery, o.Streams[0].BufferBytes = time.Hour, 100
	_, c := serve(t, o)
	for i := range 9 { // 14 bytes each
		require.Empty(t, b.Objects(""), "after %d bytes", 14*i)
		_, err := c.PutRecordBatch(t.Context(), batch(lines(i, 1)...))
		require.NoError(t, err)
		if i == 7 {
			break
		}
	}
	require.Eventually(t, func() bool { return len(b.Objects("")) == 1 }, patience, time.Millisecond)
	require.Len(t, b.Lines(""), 8)
}

func TestServer_delivers_buffered_records_when_closed(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	o := firehosetest.Options(t, b)
	o.Streams[0].BufferEvery = time.Hour
	s, c := serve(t, o)
	_, err := firehose.New(o)
	require.ErrorContains(t, err, "state directory")
	_, err = c.PutRecordBatch(t.Context(), batch(lines(0, 3)...))
	require.NoError(t, err)
	require.Empty(t, b.Objects(""))
	require.NoError(t, s.Close())
	require.Equal(t, texts(lines(0, 3)), b.Lines("out/"))
	_, err = c.PutRecordBatch(t.Context(), batch(lines(0, 3)...))
	require.Equal(t, "ServiceUnavailableException", code(err))
	left, err := os.ReadDir(o.StateDir + "/s")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestServer_appends_a_delimiter_to_every_record(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	o := firehosetest.Options(t, b)
	o.Streams[0].Delimiter = "\n"
	_, c := serve(t, o)
	_, err := c.PutRecordBatch(t.Context(), batch([]byte("a"), []byte(""), []byte("b\n")))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(b.Objects("")) == 1 }, patience, time.Millisecond)
	for _, text := range b.Objects("") {
		require.Equal(t, "a\n\nb\n\n", text)
	}
}

func TestServer_enforces_the_documented_limits(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	_, c := serve(t, firehosetest.Options(t, b))
	large := bytes.Repeat([]byte("x"), firehose.MaxRecord)
	exactly := [][]byte{large, large, large, large, large[:firehose.MaxBatchBytes-4*firehose.MaxRecord]}
	for name, test := range map[string]struct {
		in   *sdk.PutRecordBatchInput
		code string
	}{
		"no records":           {batch(), "ValidationException"},
		"500 records":          {batch(lines(0, 500)...), ""},
		"501 records":          {batch(lines(0, 501)...), "ValidationException"},
		"1,000 KiB":            {batch(large), ""},
		"a byte more":          {batch(append([]byte("x"), large...)), "ValidationException"},
		"1 MiB":                {batch(make([]byte, 1<<20)), "ValidationException"},
		"4 MiB":                {batch(exactly...), ""},
		"4 MiB and a byte":     {batch(append(exactly, []byte("x"))...), "InvalidArgumentException"},
		"another stream":       {&sdk.PutRecordBatchInput{DeliveryStreamName: aws.String("other"), Records: batch([]byte("x")).Records}, "ResourceNotFoundException"},
		"an empty record":      {batch([]byte{}), ""},
		"a record of nothing?": {batch([]byte("x"), nil), "ValidationException"},
	} {
		_, err := c.PutRecordBatch(t.Context(), test.in)
		if test.code == "" {
			require.NoError(t, err, name)
		} else if got := code(err); name != "a record of nothing?" || !strings.Contains(got, "missing required field") {
			require.Equal(t, test.code, got, name)
		}
	}
}

func TestServer_returns_injected_faults_in_the_format_of_AWS(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	o := firehosetest.Options(t, b)
	var mu sync.Mutex
	call, failed := "", map[int]string{}
	faults := harnesstest.CountFaults(t, firehosetest.CallRefused, firehosetest.RecordRefused)
	o.Fault = firehosetest.Counted(faults, func(string, [][]byte) (string, map[int]string) {
		mu.Lock()
		defer mu.Unlock()
		return call, failed
	})
	_, c := serve(t, o)
	failed = map[int]string{1: "ServiceUnavailableException", 2: "InternalFailure"}
	out, err := c.PutRecordBatch(t.Context(), batch(lines(0, 4)...))
	require.NoError(t, err)
	require.EqualValues(t, 2, *out.FailedPutCount)
	require.Nil(t, out.RequestResponses[0].ErrorCode)
	require.Nil(t, out.RequestResponses[1].RecordId)
	require.Equal(t, "ServiceUnavailableException", *out.RequestResponses[1].ErrorCode)
	require.Equal(t, "InternalFailure", *out.RequestResponses[2].ErrorCode)
	call = "ServiceUnavailableException"
	_, err = c.PutRecordBatch(t.Context(), batch(lines(0, 4)...))
	var throttled *types.ServiceUnavailableException
	require.ErrorAs(t, err, &throttled)
	require.Eventually(t, func() bool { return len(b.Objects("")) == 1 }, patience, time.Millisecond)
	require.Equal(t, []string{"record 000000", "record 000003"}, b.Lines("out/"))
}

func TestServer_waits_for_an_unavailable_bucket(t *testing.T) {
	t.Parallel()
	b := firehosetest.NewBucket()
	o := firehosetest.Options(t, b)
	o.MaxBacklog = 10_000
	s, c := serve(t, o)
	b.CountFaults(harnesstest.CountFaults(t, firehosetest.BucketAway))
	b.Set(firehosetest.Away)
	var accepted [][]byte
	refused := func() bool {
		more := lines(len(accepted), 100)
		if _, err := c.PutRecordBatch(t.Context(), batch(more...)); err != nil {
			require.Equal(t, "ServiceUnavailableException", code(err))
			return true
		}
		accepted = append(accepted, more...)
		return false
	}
	require.Eventually(t, refused, patience, time.Millisecond)
	require.Less(t, len(accepted), 1000)
	require.Eventually(t, func() bool { return s.Status()[0].Failures > 3 }, patience, time.Millisecond)

	status := s.Status()
	require.Contains(t, status[0].LastError, firehosetest.ErrAway.Error())
	require.WithinDuration(t, time.Now(), status[0].WaitingSince, time.Minute)
	require.Greater(t, status[0].BacklogBytes, o.MaxBacklog)

	b.Set(firehosetest.Here)
	require.Eventually(t, func() bool { return s.Status()[0].BacklogBytes == 0 }, patience, time.Millisecond)
	require.Empty(t, s.Status()[0].LastError)
	require.Equal(t, texts(accepted), b.Lines("out/"))
	require.False(t, refused())
}

func TestDescribeAndList(t *testing.T) {
	t.Parallel()
	o := firehosetest.Options(t, firehosetest.NewBucket())
	for _, name := range []string{"b", "a"} {
		o.Streams = append(o.Streams, firehose.Stream{Name: name, Prefix: name + "/", BufferBytes: 1 << 20, BufferEvery: 60 * time.Second})
	}
	_, c := serve(t, o)
	out, err := c.ListDeliveryStreams(t.Context(), &sdk.ListDeliveryStreamsInput{Limit: aws.Int32(2)})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, out.DeliveryStreamNames)
	require.True(t, *out.HasMoreDeliveryStreams)
	out, err = c.ListDeliveryStreams(t.Context(), &sdk.ListDeliveryStreamsInput{ExclusiveStartDeliveryStreamName: aws.String("b")})
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, out.DeliveryStreamNames)
	require.False(t, *out.HasMoreDeliveryStreams)

	d, err := c.DescribeDeliveryStream(t.Context(), &sdk.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("a")})
	require.NoError(t, err)
	require.Equal(t, types.DeliveryStreamStatusActive, d.DeliveryStreamDescription.DeliveryStreamStatus)
	to := d.DeliveryStreamDescription.Destinations[0].ExtendedS3DestinationDescription
	require.Equal(t, "a/!{timestamp:yyyy/MM/dd/HH/}", *to.Prefix)
	require.Equal(t, "a/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH/}", *to.ErrorOutputPrefix)
	require.Equal(t, types.CompressionFormatGzip, to.CompressionFormat)
	require.EqualValues(t, 60, *to.BufferingHints.IntervalInSeconds)
	_, err = c.DescribeDeliveryStream(t.Context(), &sdk.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("x")})
	require.Equal(t, "ResourceNotFoundException", code(err))
}

func TestPrefix_follows_the_rules(t *testing.T) {
	t.Parallel()
	at := time.Date(2018, 8, 27, 10, 30, 5, 0, time.FixedZone("", 3600))
	for _, test := range []struct{ prefix, errors, want, wantErrors, problem string }{
		{"p/", "", "p/2018/08/27/09/", "p/processing-failed/2018/08/27/09/", ""},
		{"", "e/!{firehose:error-output-type}/", "2018/08/27/09/", "e/processing-failed/", ""},
		{"y=!{timestamp:yyyy}/m=!{timestamp:MM}/", "!{timestamp:'year='yyyy'/it''s'}/!{firehose:error-output-type}", "y=2018/m=08/", "year=2018/it's/processing-failed", ""},
		{"!{timestamp:yyyy-MM-dd HH:mm:ss}", "!{firehose:error-output-type}", "2018-08-27 09:30:05", "processing-failed", ""},
		{"!{timestamp:yyyy}", "", "", "", "can't be empty"},
		{"!{timestamp:yyyy}", "e/!{timestamp:yyyy}", "", "", "but not"},
		{"p/!{firehose:error-output-type}/", "e", "", "", "can't contain"},
		{"!{timestamp:YYYY}", "e", "", "", "YYYY is not supported"},
		{"!{timestamp:yyyy'x}", "e", "", "", "is not closed"},
		{"!{firehose:random-string}", "e", "", "", "not supported"},
		{"p!{/", "", "", "", "not the beginning"},
		{strings.Repeat("p", 600), "", "", "", "at most 512"},
	} {
		s, err := firehose.CompletePrefixes(firehose.Stream{Prefix: test.prefix, ErrorPrefix: test.errors})
		if test.problem != "" {
			require.ErrorContains(t, err, test.problem, test.prefix)
			continue
		}
		require.NoError(t, err, test.prefix)
		got, err := firehose.Evaluate(s.Prefix, at)
		require.NoError(t, err)
		require.Equal(t, test.want, got)
		got, err = firehose.Evaluate(s.ErrorPrefix, at)
		require.NoError(t, err)
		require.Equal(t, test.wantErrors, got)
	}
}
