package stream

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the checksum of the format, not a protection
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// aggregateMagic begins a record that the Kinesis Producer Library aggregated
// from several: magic, protobuf message, MD5 of the message.
// (https://github.com/awslabs/amazon-kinesis-producer, aggregation-format.md)
var aggregateMagic = []byte{0xF3, 0x89, 0x9A, 0xC2}

// Field numbers of the messages.
const (
	aggregateRecord = 3 // of AggregatedRecord: a Record
	recordData      = 3 // of Record: its bytes
)

// deaggregate returns the parts of an aggregated record, or data itself.
func deaggregate(data []byte) ([][]byte, *Fault) {
	if !bytes.HasPrefix(data, aggregateMagic) {
		return [][]byte{data}, nil
	}
	body := data[len(aggregateMagic):]
	if len(body) < md5.Size {
		return nil, &Fault{BadAggregate, "the aggregated record is truncated"}
	}
	message, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if want := md5.Sum(message); !bytes.Equal(sum, want[:]) { //nolint:gosec // see above
		return nil, &Fault{BadAggregate, "the checksum of the aggregated record is wrong"}
	}
	parts, err := aggregated(message)
	if err != nil || len(parts) == 0 {
		return nil, &Fault{BadAggregate, "the aggregated record is malformed"}
	}
	return parts, nil
}

var errMessage = errors.New("malformed message")

// MaxAggregated is the maximum number of events in one record. As many fit into
// a megabyte; more would be nearly empty and use far more memory than their
// size.
const MaxAggregated = 10_000

func aggregated(message []byte) (parts [][]byte, err error) {
	err = eachField(message, func(n protowire.Number, record []byte) error {
		if n != aggregateRecord {
			return nil
		}
		part, found := []byte(nil), false
		err := eachField(record, func(n protowire.Number, data []byte) error {
			if n == recordData {
				part, found = data, true
			}
			return nil
		})
		if err == nil && !found {
			return errMessage
		}
		if len(parts) == MaxAggregated {
			return errMessage
		}
		parts = append(parts, part)
		return err
	})
	return parts, err
}

// eachField calls fn with every length-delimited field of a message.
func eachField(message []byte, fn func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return errMessage
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return errMessage
		}
		if err := fn(number, value); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
