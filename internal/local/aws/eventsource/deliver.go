package eventsource

import (
	"context"
	"time"
)

// attempt is a batch, or the remainder of one, and its history.
type attempt struct {
	records       []*entry
	failures      int    // invocations that count toward the maximum number of retries
	invocations   int    // all invocations
	functionError string // of the last invocation
}

// work processes the batches of a lane one by one until the lane is empty for good
// or run is done. Invocations use work.
func (s *shard) work(run, work context.Context, l *lane) {
	for {
		batch := s.backlog.next(run, l, s.encode)
		if batch == nil || !s.deliver(run, work, batch) {
			return
		}
	}
}

// deliver invokes the function until every record of a batch is done or discarded.
// It returns false if run is done first.
func (s *shard) deliver(run, work context.Context, batch []*entry) bool {
	o := s.mapping.options
	left := []attempt{{records: batch}} // in order; a later one waits for those before it
	troubles := 0                       // consecutive, for the backoff
	for len(left) > 0 {
		a := &left[0]
		if old := s.tooOld(a.records); old > 0 {
			if !s.giveUp(run, work, a.records[:old], *a, ageExceeded) {
				return false
			}
			left = keep(left, a.records[old:])
			continue
		}
		if run.Err() != nil {
			return false
		}
		v, from := s.invoke(work, a)
		if (v == failed || v == notInvoked) && work.Err() != nil {
			return false // interrupted by the shutdown, which is not a failure
		}
		if v == succeeded {
			s.finish(a.records)
			s.mapping.count(func(c *Counts) { c.Succeeded += int64(len(a.records)) })
			left, troubles = left[1:], 0
			continue
		}
		troubles++
		switch {
		case v == notInvoked: // neither a retry nor a reason to split
		case v == failed && o.BisectOnError && len(a.records) > 1:
			left = s.bisect(left)
			a = &left[0]
		case v == partial && o.BisectOnError && from > 0:
			// Split at the named record, which is not a retry.
		default:
			a.failures++
		}
		if v == partial && from > 0 {
			s.finish(a.records[:from])
			s.mapping.count(func(c *Counts) { c.Succeeded += int64(from) })
			a.records = a.records[from:]
		}
		if exhausted(a.failures, o.MaxRetries) {
			if !s.giveUp(run, work, a.records, *a, retriesExhausted) {
				return false
			}
			left, troubles = left[1:], 0
			continue
		}
		if (v == notInvoked || !o.RetryAtOnce) && !s.pause(run, troubles) {
			return false
		}
	}
	return true
}

// keep replaces the records of the first attempt, or removes it if there are none.
func keep(left []attempt, records []*entry) []attempt {
	if len(records) == 0 {
		return left[1:]
	}
	left[0].records = records
	return left
}

// bisect replaces the first attempt by its halves, which keep its history: retries
// count how often a record has failed, whatever the size of its batch.
func (s *shard) bisect(left []attempt) []attempt {
	s.mapping.count(func(c *Counts) { c.Bisects++ })
	first, second := left[0], left[0]
	half := len(first.records) / 2
	first.records, second.records = first.records[:half], second.records[half:]
	return append([]attempt{first, second}, left[1:]...)
}

func exhausted(failures, maxRetries int) bool {
	switch maxRetries {
	case 0: // unlimited
		return false
	case NoRetries:
		return failures > 0
	}
	return failures > maxRetries
}

// tooOld counts the records at the beginning of a batch that exceed the maximum
// age.
func (s *shard) tooOld(records []*entry) int {
	limit := s.mapping.options.MaxRecordAge
	if limit == 0 {
		return 0
	}
	n := 0
	for n < len(records) && time.Since(records[n].arrived()) > limit {
		n++
	}
	return n
}

// invoke passes a batch to the function once.
func (s *shard) invoke(work context.Context, a *attempt) (v verdict, from int) {
	m := s.mapping
	result, functionError, err := m.options.Function(work, payload(a.records))
	if err != nil {
		m.count(func(c *Counts) { c.InvokeErrors++ })
		m.trouble("invoke the function", err)
		return notInvoked, 0
	}
	a.invocations++
	a.functionError = functionError
	v = succeeded
	if functionError != "" {
		v = failed
	} else if m.options.ReportBatchItemFailures {
		v, from = readResponse(result, a.records)
	}
	m.count(func(c *Counts) {
		c.Invocations++
		switch v {
		case partial:
			c.PartialFailures++
		case failed:
			c.FunctionErrors++
		}
	})
	if v != succeeded {
		m.options.Log.Info("batch failed", "shard", s.id, "records", len(a.records), "from", from,
			"function_error", functionError, "sequence_number", a.records[from].number())
	}
	return v, from
}

// finish marks records as done and writes the checkpoint when it advances.
func (s *shard) finish(records []*entry) {
	s.saving.Lock()
	defer s.saving.Unlock()
	if upTo := s.backlog.finish(records); upTo != "" {
		s.saveCheckpoint(upTo, false)
	}
}

// saveCheckpoint writes a checkpoint. If it fails, records may be delivered again
// after a restart, and the next checkpoint supersedes it. The caller holds
// s.saving.
func (s *shard) saveCheckpoint(upTo string, finished bool) {
	m := s.mapping
	if err := s.store.save(checkpoint{Shard: s.id, SequenceNumber: upTo, Finished: finished}); err != nil {
		m.count(func(c *Counts) { c.CheckpointFails++ })
		m.trouble("write a checkpoint", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.checkpoint = upTo
}
