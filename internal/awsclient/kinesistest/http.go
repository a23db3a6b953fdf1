package kinesistest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/recflow/recflow/internal/awsclient"
)

const contentType = "application/x-amz-json-1.1"

// Env serves the server over HTTP until the test ends and returns the environment
// for a client.
func (s *Server) Env(t testing.TB) map[string]string {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return map[string]string{
		"AWS_REGION":               "us-east-1",
		"AWS_ACCESS_KEY_ID":        "test",
		"AWS_SECRET_ACCESS_KEY":    "test",
		"AWS_ENDPOINT_URL_KINESIS": h.URL,
	}
}

// Client serves the server over HTTP until the test ends and returns a client for
// one of its streams.
func (s *Server) Client(t testing.TB, stream string) *awsclient.Kinesis {
	t.Helper()
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(s.Env(t)))
	if err != nil {
		t.Fatal(err)
	}
	return awsclient.NewKinesis(c, stream)
}

// operations by name. The SDK's input types use the wire's names, so they decode
// directly, except times.
var operations = map[string]func(*Server, context.Context, []byte) (any, error){
	"CreateStream": operation((*Server).CreateStream),
	"DeleteStream": operation((*Server).DeleteStream),
	"ListShards":   operation((*Server).ListShards),
	"PutRecords":   operation((*Server).PutRecords),
	"SplitShard":   operation((*Server).SplitShard),
	"MergeShards":  operation((*Server).MergeShards),
	"GetRecords": func(s *Server, ctx context.Context, body []byte) (any, error) {
		out, err := operation((*Server).GetRecords)(s, ctx, body)
		if err != nil {
			return nil, err
		}
		return wireRecords(out.(*kinesis.GetRecordsOutput)), nil
	},
	"GetShardIterator":      getShardIterator,
	"DescribeStreamSummary": describeStreamSummary,
}

func operation[In, Out any](method func(*Server, context.Context, *In, ...func(*kinesis.Options)) (*Out, error)) func(*Server, context.Context, []byte) (any, error) {
	return func(s *Server, ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, failure("SerializationException", "%s", err)
		}
		out, err := method(s, ctx, &in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// ServeHTTP answers the SDK.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, name, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	do := operations[name]
	if do == nil {
		do = func(*Server, context.Context, []byte) (any, error) {
			return nil, failure("UnknownOperationException", "%s", name)
		}
	}
	var body json.RawMessage
	err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 2*maxBytes)).Decode(&body)
	var out any
	if err == nil {
		out, err = do(s, req.Context(), body)
	}
	if s.losesAnswer(name) {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		answerError(w, err)
		return
	}
	json.NewEncoder(w).Encode(out)
}

func answerError(w http.ResponseWriter, err error) {
	code, status := "SerializationException", http.StatusBadRequest
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
		if api.ErrorFault() == smithy.FaultServer {
			status = http.StatusInternalServerError
		}
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": err.Error()})
}

// seconds is a time in the wire's format.
func seconds(t *time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func getShardIterator(s *Server, ctx context.Context, body []byte) (any, error) {
	var in struct {
		StreamName, StreamARN, ShardId, StartingSequenceNumber *string //nolint:staticcheck // the names on the wire
		ShardIteratorType                                      types.ShardIteratorType
		Timestamp                                              *float64
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, failure("SerializationException", "%s", err)
	}
	input := &kinesis.GetShardIteratorInput{
		StreamName: in.StreamName, StreamARN: in.StreamARN, ShardId: in.ShardId,
		ShardIteratorType: in.ShardIteratorType, StartingSequenceNumber: in.StartingSequenceNumber,
	}
	if in.Timestamp != nil {
		input.Timestamp = aws.Time(time.UnixMilli(int64(math.Round(*in.Timestamp * 1000))))
	}
	out, err := s.GetShardIterator(ctx, input)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func describeStreamSummary(s *Server, ctx context.Context, body []byte) (any, error) {
	out, err := operation((*Server).DescribeStreamSummary)(s, ctx, body)
	if err != nil {
		return nil, err
	}
	d := out.(*kinesis.DescribeStreamSummaryOutput).StreamDescriptionSummary
	return map[string]any{"StreamDescriptionSummary": map[string]any{
		"StreamName": d.StreamName, "StreamARN": d.StreamARN, "StreamStatus": d.StreamStatus,
		"StreamCreationTimestamp": seconds(d.StreamCreationTimestamp), "EnhancedMonitoring": []any{},
		"OpenShardCount": d.OpenShardCount, "RetentionPeriodHours": d.RetentionPeriodHours,
	}}, nil
}

func wireRecords(out *kinesis.GetRecordsOutput) any {
	type record struct {
		Data                         []byte
		PartitionKey, SequenceNumber *string
		ApproximateArrivalTimestamp  float64
	}
	records := make([]record, len(out.Records))
	for i, r := range out.Records {
		records[i] = record{r.Data, r.PartitionKey, r.SequenceNumber, seconds(r.ApproximateArrivalTimestamp)}
	}
	return map[string]any{
		"Records": records, "NextShardIterator": out.NextShardIterator,
		"MillisBehindLatest": out.MillisBehindLatest, "ChildShards": out.ChildShards,
	}
}
