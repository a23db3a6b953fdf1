package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// stream is a Kinesis that accepts all records of a PutRecords call and stores none.
// It does as little as possible, because it shares the machine with the API.
type stream struct {
	*httptest.Server
	latency atomic.Int64 // of a call, in nanoseconds
	puts    atomic.Int64 // calls
}

func newStream() *stream {
	s := &stream{}
	s.Server = httptest.NewServer(s)
	return s
}

// env is the environment of a process that uses the stream.
func (s *stream) env() []string {
	return []string{"RECFLOW_STREAM=bench", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench",
		"AWS_ENDPOINT_URL_KINESIS=" + s.URL}
}

func (s *stream) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil || !strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".PutRecords") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.puts.Add(1)
	time.Sleep(time.Duration(s.latency.Load()))
	records := bytes.Count(body, []byte(`"PartitionKey":`))
	const record = `,{"SequenceNumber":"49543463076548007577105092703039560359975228518395012686","ShardId":"shardId-000000000000"}`
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fmt.Fprintf(w, `{"FailedRecordCount":0,"Records":[%s]}`, strings.Repeat(record, records)[1:])
}
