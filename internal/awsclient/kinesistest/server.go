package kinesistest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/recflow/recflow/internal/harnesstest"
)

// account is part of the ARN of every stream.
const account = "arn:aws:kinesis:us-east-1:000000000000:stream/"

// Server is an in-memory Kinesis. All methods are safe for concurrent use.
type Server struct {
	mu        sync.Mutex
	streams   map[string]*stream
	sequence  int64 // of the newest record or shard, across all streams
	epoch     int64 // iterators of an earlier generation have expired
	lastMade  time.Time
	calls     map[string]int
	failures  map[string][]string // codes of the next calls, by operation
	lost      map[string]int      // responses to lose, by operation
	onCall    func(operation string) (code string)
	onPut     func(shard, partitionKey string) (code string)
	putFaults []string // codes of the next records
	faults    *harnesstest.Faults
}

// New returns a server with one stream of the given number of shards.
func New(name string, shards int) *Server {
	s := &Server{
		streams: map[string]*stream{}, calls: map[string]int{},
		failures: map[string][]string{}, lost: map[string]int{},
	}
	s.create(name, shards)
	return s
}

// CountFaults makes the server count faults in f when they take effect: one of
// Fault, or "iterator expired".
func (s *Server) CountFaults(f *harnesstest.Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Fault returns the kind under which a failed call, a rejected record ("record") or
// a lost response (code "answer lost") is counted.
func Fault(operation, code string) string { return operation + ": " + code }

// inject counts a fault. The caller holds s.mu.
func (s *Server) inject(kind string) {
	if s.faults != nil {
		s.faults.Inject(kind)
	}
}

// Fail makes the next calls of an operation fail, one for each code, without
// being carried out.
func (s *Server) Fail(operation string, codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[operation] = append(s.failures[operation], codes...)
}

// OnCall makes every call fail for which it returns a code; nil removes it.
func (s *Server) OnCall(f func(operation string) (code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCall = f
}

// FailRecords makes the next records put fail one by one, each with its code: an
// empty code accepts the record.
func (s *Server) FailRecords(codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putFaults = append(s.putFaults, codes...)
}

// OnPut makes every record of PutRecords fail for which it returns a code; nil
// removes it. It must not call the server.
func (s *Server) OnPut(f func(shard, partitionKey string) (code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onPut = f
}

// LoseAnswers drops the responses of the next calls of an operation, after carrying
// them out, by breaking the connection. It works over HTTP only.
func (s *Server) LoseAnswers(operation string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost[operation] += times
}

// Calls returns the number of calls of an operation received.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// ExpireIterators expires every iterator returned so far.
func (s *Server) ExpireIterators() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}

// Record is one record of a stream, with its position.
type Record struct {
	Shard string
	types.Record
}

// Records returns all records of a stream that were not trimmed, shard by shard, in
// order.
func (s *Server) Records(name string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Record
	if st := s.streams[name]; st != nil {
		for _, sh := range st.shards {
			for _, r := range sh.records {
				all = append(all, Record{Shard: sh.id, Record: r})
			}
		}
	}
	return all
}

// Shards returns the IDs of a stream's shards, or only of the open ones.
func (s *Server) Shards(name string, open bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	if st := s.streams[name]; st != nil {
		for _, sh := range st.shards {
			if !open || sh.end == "" {
				ids = append(ids, sh.id)
			}
		}
	}
	return ids
}

// Streams returns the names of the streams, sorted.
func (s *Server) Streams() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.streams))
}

// Trim drops the records of a stream that arrived before a time, as retention does,
// and the closed shards that become empty.
func (s *Server) Trim(name string, before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	st.shards = slices.DeleteFunc(st.shards, func(sh *shard) bool {
		for len(sh.records) > 0 && sh.records[0].ApproximateArrivalTimestamp.Before(before) {
			sh.records = sh.records[1:]
		}
		return sh.end != "" && len(sh.records) == 0
	})
}

// Backdate makes the existing records of a stream older by age, so that a test
// need not wait to distinguish them from later ones.
func (s *Server) Backdate(name string, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.streams[name].shards {
		for i := range sh.records {
			sh.records[i].ApproximateArrivalTimestamp = aws.Time(sh.records[i].ApproximateArrivalTimestamp.Add(-age))
		}
	}
}

// begin counts a call and returns its injected error, if any.
func (s *Server) begin(operation string) error {
	s.mu.Lock()
	s.calls[operation]++
	code, hook := "", s.onCall
	if next := s.failures[operation]; len(next) > 0 {
		code, s.failures[operation] = next[0], next[1:]
	}
	s.mu.Unlock()
	if code == "" && hook != nil {
		code = hook(operation)
	}
	if code == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inject(Fault(operation, code))
	return failure(code, "injected fault")
}

// losesAnswer reports whether the response of this call is to be dropped.
func (s *Server) losesAnswer(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost[operation] == 0 {
		return false
	}
	s.lost[operation]--
	s.inject(Fault(operation, "answer lost"))
	return true
}

// nextSequence returns a number greater than all earlier ones, in Kinesis's 56
// digits. The caller holds s.mu.
func (s *Server) nextSequence() string {
	s.sequence++
	return fmt.Sprintf("49%054d", s.sequence)
}

// now returns the time with Kinesis's precision.
func now() time.Time { return time.Now().Truncate(time.Millisecond) }

// failure is an API error. Errors that callers distinguish by type have the SDK's
// type.
func failure(code, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	switch code {
	case "ResourceNotFoundException":
		return &types.ResourceNotFoundException{Message: &message}
	case "ResourceInUseException":
		return &types.ResourceInUseException{Message: &message}
	case "InvalidArgumentException":
		return &types.InvalidArgumentException{Message: &message}
	case "ExpiredIteratorException":
		return &types.ExpiredIteratorException{Message: &message}
	case "ProvisionedThroughputExceededException":
		return &types.ProvisionedThroughputExceededException{Message: &message}
	case "LimitExceededException":
		return &types.LimitExceededException{Message: &message}
	}
	fault := smithy.FaultClient
	if code == "InternalFailure" || code == "ServiceUnavailable" {
		fault = smithy.FaultServer
	}
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: fault}
}
