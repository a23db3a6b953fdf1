package eventsource

import (
	"bytes"
	"encoding/json"
)

// verdict is the result of an invocation for a batch.
type verdict int

const (
	succeeded  verdict = iota
	partial            // everything before one record is done
	failed             // nothing is done
	notInvoked         // the function did not receive the batch
)

// readResponse parses the response of a function with ReportBatchItemFailures: for
// partial, from is the index of the first record to retry.
//
// A null or empty response and a null or empty list are a success. An identifier
// that is empty, null, missing (a wrong key name), not a string or not in this
// batch makes the batch a complete failure, as does any other response. Names are
// case-sensitive, unlike in encoding/json.
func readResponse(result []byte, batch []*entry) (v verdict, from int) {
	result = bytes.TrimSpace(result)
	if len(result) == 0 || string(result) == "null" {
		return succeeded, 0
	}
	var response map[string]json.RawMessage
	if json.Unmarshal(result, &response) != nil {
		return failed, 0
	}
	var failures []map[string]json.RawMessage
	list := response["batchItemFailures"]
	if list == nil {
		return succeeded, 0
	}
	if json.Unmarshal(list, &failures) != nil {
		return failed, 0
	}
	if len(failures) == 0 {
		return succeeded, 0
	}
	index := make(map[string]int, len(batch))
	for i, e := range batch {
		index[e.number()] = i
	}
	from = len(batch)
	for _, f := range failures {
		var number *string
		if json.Unmarshal(f["itemIdentifier"], &number) != nil || number == nil || *number == "" {
			return failed, 0
		}
		i, known := index[*number]
		if !known {
			return failed, 0
		}
		from = min(from, i) // a batch is in the order of its sequence numbers
	}
	return partial, from
}
