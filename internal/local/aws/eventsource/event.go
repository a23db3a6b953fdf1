package eventsource

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// payloadOverhead is the size of an event without its records, in bytes.
const payloadOverhead = len(`{"Records":[` + `]}`)

// eventRecord is one record as functions receive it.
type eventRecord struct {
	Kinesis           kinesisRecord `json:"kinesis"`
	EventSource       string        `json:"eventSource"`
	EventVersion      string        `json:"eventVersion"`
	EventID           string        `json:"eventID"`
	EventName         string        `json:"eventName"`
	InvokeIdentityARN string        `json:"invokeIdentityArn"`
	AWSRegion         string        `json:"awsRegion"`
	EventSourceARN    string        `json:"eventSourceARN"`
}

type kinesisRecord struct {
	SchemaVersion  string      `json:"kinesisSchemaVersion"`
	PartitionKey   string      `json:"partitionKey"`
	SequenceNumber string      `json:"sequenceNumber"`
	Data           []byte      `json:"data"` // base64
	Arrived        json.Number `json:"approximateArrivalTimestamp"`
	Encryption     string      `json:"encryptionType,omitempty"`
}

// encode sets the entry's JSON.
func (s *shard) encode(e *entry) {
	data := e.record.Data
	if data == nil {
		data = []byte{} // "" and not null
	}
	// Strings and bytes always marshal.
	e.json, _ = json.Marshal(eventRecord{
		Kinesis: kinesisRecord{
			SchemaVersion:  "1.0",
			PartitionKey:   aws.ToString(e.record.PartitionKey),
			SequenceNumber: e.number(),
			Data:           data,
			Arrived:        epochSeconds(e.arrived()),
			Encryption:     string(e.record.EncryptionType),
		},
		EventSource:       "aws:kinesis",
		EventVersion:      "1.0",
		EventID:           s.id + ":" + e.number(),
		EventName:         "aws:kinesis:record",
		InvokeIdentityARN: s.mapping.options.RoleARN,
		AWSRegion:         s.region,
		EventSourceARN:    s.store.identity.ARN,
	})
}

// epochSeconds is a time in the format of events, e.g. 1545084650.987.
func epochSeconds(t time.Time) json.Number {
	return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64))
}

// payload joins the records of a batch to an event.
func payload(batch []*entry) []byte {
	size := payloadOverhead
	for _, e := range batch {
		size += len(e.json) + 1
	}
	event := append(make([]byte, 0, size), `{"Records":[`...)
	for i, e := range batch {
		if i > 0 {
			event = append(event, ',')
		}
		event = append(event, e.json...)
	}
	return append(event, `]}`...)
}
