package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// bucket is an S3 that is empty and accepts all objects, of which it stores none. It
// does as little as possible, because it shares the machine with the import.
type bucket struct{ *httptest.Server }

func newBucket() *bucket {
	b := &bucket{}
	b.Server = httptest.NewServer(b)
	return b
}

// env is the environment of a process that uses the bucket.
func (b *bucket) env() []string {
	return []string{"RECFLOW_BUCKET=bench", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_ENDPOINT_URL_S3=" + b.URL}
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	w.Header().Set("Content-Type", "application/xml")
	switch {
	case req.Method == http.MethodPut:
		w.Header().Set("ETag", `"0"`)
	case req.Method == http.MethodGet && req.URL.Query().Has("list-type"):
		fmt.Fprint(w, `<ListBucketResult><Name>bench</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>`)
	case req.Method == http.MethodPost:
		fmt.Fprint(w, `<DeleteResult></DeleteResult>`)
	default:
		w.WriteHeader(http.StatusNotFound)
		if req.Method == http.MethodGet {
			fmt.Fprint(w, `<Error><Code>NoSuchKey</Code></Error>`)
		}
	}
}
