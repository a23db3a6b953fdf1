package awsclient

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// First and longest pause after a call with failed records.
const (
	putPause    = 50 * time.Millisecond
	maxPutPause = 2 * time.Second
)

// PutResult is the outcome of one record: its position, or the error.
type PutResult struct {
	Shard          string // of Kinesis
	SequenceNumber string // of Kinesis
	Err            error
}

// batchPut writes records with a batch API that can fail for some of them. Only
// failed records are sent again, after a jittered pause.
type batchPut[R any] struct {
	to         string         // used in errors, such as "stream events"
	maxRecords int            // per call
	maxBytes   int            // per call; no record is larger
	size       func(R) int    // bytes of a record
	key        func(R) string // records with the same key are put in order; nil: order does not matter

	// call makes one API call. It returns one result per record, in order, or an
	// error for the whole call.
	call func(context.Context, []R) ([]PutResult, error)
}

// put writes records until all are written, a call fails as a whole, or ctx ends.
// It stops early when ctx would end during a pause. It returns one result per
// record, in order. A call that fails as a whole is not repeated: the SDK has
// already retried it.
func (b *batchPut[R]) put(ctx context.Context, records []R) ([]PutResult, error) {
	p := putting[R]{batchPut: b, records: records, results: make([]PutResult, len(records))}
	p.enqueue()
	err := p.run(ctx)
	for _, q := range p.queues {
		for _, i := range q {
			if p.results[i].Err == nil {
				p.results[i].Err = err
			}
		}
	}
	return p.results, err
}

// putting is the state of one put.
type putting[R any] struct {
	*batchPut[R]
	records []R
	results []PutResult

	// queues has the indexes of the remaining records of each key, in order. A call
	// contains only the first record of each queue: otherwise it could fail for a
	// record and succeed for a later one with the same key. Queues are ordered by
	// their next turn.
	queues [][]int
}

func (p *putting[R]) enqueue() {
	byKey := map[string]int{}
	for i, r := range p.records {
		if p.key == nil {
			p.queues = append(p.queues, []int{i})
			continue
		}
		q, known := byKey[p.key(r)]
		if !known {
			q = len(p.queues)
			byKey[p.key(r)] = q
			p.queues = append(p.queues, nil)
		}
		p.queues[q] = append(p.queues[q], i)
	}
}

// run makes calls until the queues are empty. On an error the queues contain the
// records not known to be written.
func (p *putting[R]) run(ctx context.Context) error {
	pause := putPause
	for len(p.queues) > 0 {
		n := p.fit()
		failed, err := p.step(ctx, n)
		if err != nil {
			return translate(err, "put %d records to %s", n, p.to)
		}
		if failed == nil {
			pause = putPause
			continue
		}
		if err := waitFor(ctx, pause/2+rand.N(pause/2)); err != nil {
			return fmt.Errorf("put to %s: %w (%w)", p.to, err, failed)
		}
		pause = min(2*pause, maxPutPause)
	}
	return nil
}

// fit returns how many queues have their first record in the next call.
func (p *putting[R]) fit() (n int) {
	bytes := 0
	for n < len(p.queues) && n < p.maxRecords {
		if bytes += p.size(p.records[p.queues[n][0]]); bytes > p.maxBytes {
			break // never the first: a record is smaller than a call
		}
		n++
	}
	return n
}

// step makes one call with the first record of the first n queues. Queues with a
// failed record move to the front. failed is the error of one failed record.
func (p *putting[R]) step(ctx context.Context, n int) (failed, err error) {
	records := make([]R, n)
	for i, q := range p.queues[:n] {
		records[i] = p.records[q[0]]
	}
	results, err := p.call(ctx, records)
	if err == nil && len(results) != n {
		err = fmt.Errorf("%d results for %d records", len(results), n)
	}
	if err != nil {
		return nil, err
	}
	var behind, ahead [][]int
	for i, q := range p.queues[:n] {
		p.results[q[0]] = results[i]
		switch {
		case results[i].Err != nil:
			failed = results[i].Err
			behind = append(behind, q)
		case len(q) > 1:
			ahead = append(ahead, q[1:])
		}
	}
	p.queues = append(append(behind, p.queues[n:]...), ahead...)
	return failed, nil
}

// recordError is the error of one record of a call.
func recordError(code, message *string) error {
	return &smithy.GenericAPIError{Code: aws.ToString(code), Message: aws.ToString(message)}
}

// waitFor pauses. It returns an error when ctx ends, or at once when ctx would end
// during the pause, so that the caller has time to report it.
func waitFor(ctx context.Context, pause time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return context.DeadlineExceeded
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
