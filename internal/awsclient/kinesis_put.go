package awsclient

import (
	"context"
	"errors"
)

// Limits of one Put call of ours. Kinesis itself takes 10 MiB a call and, where a
// stream allows it, 10 MiB a record since 2025; a Lambda batch must fit in 6 MB
// of base64, so larger records could never be handed to a function.
const (
	MaxStreamRecord = 1 << 20 // bytes of data and partition key

	maxPutRecords = 500
	maxPutBytes   = 5 << 20
)

// StreamRecord is one record to put. Records of one partition key keep their
// order.
type StreamRecord struct {
	PartitionKey string // 1 to 256 characters
	Data         []byte
}

// PutResult is what became of one record: where it is, or why it is not there.
type PutResult struct {
	Shard          string
	SequenceNumber string
	Err            error
}

// ErrRecordTooLarge says that a record is larger than a stream takes.
var ErrRecordTooLarge = errors.New("record too large")

// Put puts records and returns one result each, in their order.
func (k *Kinesis) Put(ctx context.Context, records []StreamRecord) ([]PutResult, error) {
	return nil, errors.ErrUnsupported
}
