package firehose

import (
	"net/http"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// Names of errors, as AWS documents them.
const (
	notFound        = "ResourceNotFoundException"
	invalidArgument = "InvalidArgumentException"
	validation      = "ValidationException"
)

const maxBody = 8 << 20 // a full batch in base64

type record struct{ Data []byte }

type putRecordInput struct {
	DeliveryStreamName string
	Record             record
}

type putRecordOutput struct {
	RecordId  string //nolint:revive,staticcheck // the name on the wire
	Encrypted bool
}

type putRecordBatchInput struct {
	DeliveryStreamName string
	Records            []record
}

type putRecordBatchOutput struct {
	FailedPutCount   int
	Encrypted        bool
	RequestResponses []response
}

type response struct {
	RecordId     string `json:",omitempty"` //nolint:revive,staticcheck // the name on the wire
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// Handler answers calls of the AWS SDK. It is usable without Run.
func (s *Server) Handler() http.Handler {
	return awsjson.Service{
		Name: "Firehose", Target: "Firehose_20150804.", MaxBody: maxBody, TooLarge: invalidArgument, Log: s.options.Log,
		Operations: map[string]awsjson.Operation{
			"PutRecord":              awsjson.Decoded(s.putRecord),
			"PutRecordBatch":         awsjson.Decoded(s.putRecordBatch),
			"DescribeDeliveryStream": awsjson.Decoded(s.describe),
			"ListDeliveryStreams":    awsjson.Decoded(s.list),
		},
	}.Handler()
}

func (s *Server) putRecord(in putRecordInput) (putRecordOutput, error) {
	out, err := s.putRecordBatch(putRecordBatchInput{in.DeliveryStreamName, []record{in.Record}})
	if err == nil && out.FailedPutCount > 0 {
		err = awsjson.Refuse(out.RequestResponses[0].ErrorCode, "%s", out.RequestResponses[0].ErrorMessage)
	}
	if err != nil {
		return putRecordOutput{}, err
	}
	return putRecordOutput{RecordId: out.RequestResponses[0].RecordId}, nil
}

func (s *Server) putRecordBatch(in putRecordBatchInput) (out putRecordBatchOutput, err error) {
	q, err := s.find(in.DeliveryStreamName)
	if err != nil {
		return out, err
	}
	records := make([][]byte, len(in.Records))
	for i, r := range in.Records {
		records[i] = r.Data
	}
	if err := checkBatch(records); err != nil {
		return out, err
	}
	var failed map[int]string
	if s.options.Fault != nil {
		var call string
		if call, failed = s.options.Fault(in.DeliveryStreamName, records); call != "" {
			return out, awsjson.Refuse(call, "slow down")
		}
	}
	var accepted [][]byte
	for i, r := range records {
		if code, ok := failed[i]; ok {
			out.FailedPutCount++
			out.RequestResponses = append(out.RequestResponses, response{ErrorCode: code, ErrorMessage: "the record was not accepted"})
			continue
		}
		accepted = append(accepted, r)
		out.RequestResponses = append(out.RequestResponses, response{RecordId: newRecordID()})
	}
	return out, q.put(s.writing, accepted)
}

// checkBatch checks a batch against the documented limits.
func checkBatch(records [][]byte) error {
	if n := len(records); n < 1 || n > MaxBatchRecords {
		return awsjson.Refuse(validation, "records has %d members; it must have 1 to %d", n, MaxBatchRecords)
	}
	for i, r := range records {
		if r == nil {
			return awsjson.Refuse(validation, "record %d has no data", i)
		}
		if len(r) > MaxRecord {
			return awsjson.Refuse(validation, "record %d is %d bytes; at most %d are accepted", i, len(r), MaxRecord)
		}
	}
	if n := size(records); n > MaxBatchBytes {
		return awsjson.Refuse(invalidArgument, "the records are %d bytes together; at most %d are accepted", n, MaxBatchBytes)
	}
	return nil
}

func (s *Server) find(name string) (*queue, error) {
	if q := s.queues[name]; q != nil {
		return q, nil
	}
	return nil, awsjson.Refuse(notFound, "Firehose %s not found under account 000000000000.", name)
}

type description struct {
	DeliveryStreamDescription struct {
		DeliveryStreamName, DeliveryStreamARN, DeliveryStreamStatus, DeliveryStreamType, VersionId string //nolint:revive,staticcheck // the names on the wire
		HasMoreDestinations                                                                        bool
		Destinations                                                                               []destination
	}
}

type destination struct {
	DestinationId                    string //nolint:revive,staticcheck // the name on the wire
	ExtendedS3DestinationDescription struct {
		Prefix, ErrorOutputPrefix, CompressionFormat string
		BufferingHints                               struct{ SizeInMBs, IntervalInSeconds int64 }
	}
}

func (s *Server) describe(in struct{ DeliveryStreamName string }) (out description, err error) {
	q, err := s.find(in.DeliveryStreamName)
	if err != nil {
		return out, err
	}
	d := &out.DeliveryStreamDescription
	d.DeliveryStreamName, d.DeliveryStreamType, d.DeliveryStreamStatus, d.VersionId = q.stream.Name, "DirectPut", "ACTIVE", "1"
	d.DeliveryStreamARN = "arn:aws:firehose:us-east-1:000000000000:deliverystream/" + q.stream.Name
	to := destination{DestinationId: "destinationId-000000000001"}
	s3 := &to.ExtendedS3DestinationDescription
	s3.Prefix, s3.ErrorOutputPrefix, s3.CompressionFormat = q.stream.Prefix, q.stream.ErrorPrefix, "GZIP"
	s3.BufferingHints.SizeInMBs = max(1, q.stream.BufferBytes>>20)
	s3.BufferingHints.IntervalInSeconds = int64(q.stream.BufferEvery / time.Second)
	d.Destinations = []destination{to}
	return out, nil
}

type listInput struct {
	Limit                            *int
	ExclusiveStartDeliveryStreamName string
	DeliveryStreamType               string
}

type names struct {
	DeliveryStreamNames    []string
	HasMoreDeliveryStreams bool
}

const maxList = 10000 // names per response; AWS's default is 10

func (s *Server) list(in listInput) (out names, err error) {
	limit := 10
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxList {
			return out, awsjson.Refuse(validation, "Limit is %d; use 1 to %d", limit, maxList)
		}
	}
	out.DeliveryStreamNames = []string{}
	if in.DeliveryStreamType != "" && in.DeliveryStreamType != "DirectPut" {
		return out, nil
	}
	for name := range s.queues {
		if name > in.ExclusiveStartDeliveryStreamName {
			out.DeliveryStreamNames = append(out.DeliveryStreamNames, name)
		}
	}
	slices.Sort(out.DeliveryStreamNames)
	if len(out.DeliveryStreamNames) > limit {
		out.DeliveryStreamNames, out.HasMoreDeliveryStreams = out.DeliveryStreamNames[:limit], true
	}
	return out, nil
}
