// Package streamio knows the records of the stream: their keys, and the objects in
// which Firehose delivers what became of them.
package streamio

import (
	"encoding/json"
	"time"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// PutTimeout is how long records that the stream does not take are put again.
const PutTimeout = time.Minute

// Decode is what the stream makes of the bytes of one record. An aggregated
// record is looked at by its first event.
func Decode(data []byte) stream.Decoded {
	return stream.Decode(stream.Record{Data: data, ArrivedAt: time.Now()})[0]
}

// PartitionKey is the user of an event, also of one that cannot be used, so that
// it stays in order with the user's others. Where none can be read it is another.
func PartitionKey(data []byte, other string) string {
	var fields map[string]json.RawMessage
	var user string
	if json.Unmarshal(data, &fields) == nil && json.Unmarshal(fields["user_id"], &user) == nil && recsys.CheckID("user_id", user) == nil {
		return user
	}
	return other
}
