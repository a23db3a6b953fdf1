package awsclient

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// Pauses after a call with failed records: the first, and the longest.
const (
	putPause    = 50 * time.Millisecond
	maxPutPause = 2 * time.Second
)

// PutResult is what became of one record: where it is, or why it is not known to
// be there.
type PutResult struct {
	Shard          string // of Kinesis
	SequenceNumber string // of Kinesis
	Err            error
}

// batchPut puts records by calls that take many of them and can succeed for
// some: only those that failed are put again, after a jittered pause.
type batchPut[R any] struct {
	to         string         // for errors, such as "stream events"
	maxRecords int            // of one call
	maxBytes   int            // of one call; no record is larger
	size       func(R) int    // bytes of a record
	key        func(R) string // records of one key are put in the order given; nil: order does not matter

	// call makes one call. It returns one result each, in the order of the
	// records, or the error of the call as a whole.
	call func(context.Context, []R) ([]PutResult, error)
}

// put puts records until all are put, a call fails as a whole, or ctx ends; it
// gives up when ctx would end during a pause. It returns one result each, in the
// order of the records. A call that fails as a whole is not repeated: the SDK has
// done that.
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

// putting is one put under way.
type putting[R any] struct {
	*batchPut[R]
	records []R
	results []PutResult

	// queues has the indexes of what is left of each key, in order. A call may hold
	// the first record of each queue and no other: it could fail for one record and
	// succeed for a later one of the same key. The queue whose turn is next comes
	// first.
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

// run makes calls until the queues are empty. On an error they hold what is not
// known to be put.
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

// fit is how many queues have their first record in the next call.
func (p *putting[R]) fit() (n int) {
	bytes := 0
	for n < len(p.queues) && n < p.maxRecords {
		if bytes += p.size(p.records[p.queues[n][0]]); bytes > p.maxBytes {
			break // not at the first: a record is smaller than a call
		}
		n++
	}
	return n
}

// step makes one call with the first record of the first n queues. Queues with a
// failed record come first afterwards, since they are behind. failed is the error
// of one failed record.
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

// waitFor pauses. It returns an error when ctx ends, at once when it would end
// during the pause: what is left of the time is for telling the caller.
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
