// Package streamio decodes the stream's records and computes their partition keys.
package streamio

import (
	"encoding/json"
	"time"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// PutTimeout is how long rejected records are retried.
const PutTimeout = time.Minute

// Decode decodes one record as the stream handler does. For a record of several
// events it returns the first one.
func Decode(data []byte) stream.Decoded { return DecodeAll(data)[0] }

// DecodeAll decodes every event of a record as the stream handler does.
func DecodeAll(data []byte) []stream.Decoded {
	return stream.Decode(stream.Record{Data: data, ArrivedAt: time.Now()})
}

// PartitionKey returns the user of an event, even of an invalid one, so that it
// stays in order with the user's other events. Without a readable user it is
// another key.
func PartitionKey(data []byte, other string) string {
	var fields map[string]json.RawMessage
	var user string
	if json.Unmarshal(data, &fields) == nil && json.Unmarshal(fields["user_id"], &user) == nil && recsys.CheckID("user_id", user) == nil {
		return user
	}
	return other
}
