package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
)

// delivery is the records for one delivery stream.
type delivery struct {
	stream   string
	records  [][]byte
	outcomes []*outcome // outcomes of each record
}

// add appends a newline to the record: Firehose concatenates records without a
// separator.
func (d *delivery) add(record []byte, of *outcome) {
	d.records, d.outcomes = append(d.records, append(record, '\n')), append(d.outcomes, of)
}

// deliverEvents delivers the events for the next training while the states of their
// users are read. It leaves half of the time to compute the lists; write delivers what
// could not be delivered then.
func (h *Handler) deliverEvents(ctx context.Context, b *batch) {
	ctx, cancel := shareOf(ctx)
	d := h.accepted(b)
	b.delivering.Go(func() {
		defer cancel()
		h.deliver(ctx, d)
	})
}

// write is the last step: it delivers the lists, the quarantined parts and the
// remaining events, and then records the verdicts of what was delivered.
func (h *Handler) write(putCtx, answerCtx context.Context, b *batch) {
	defer lap(&b.times.write, time.Now())
	quarantine, lists := h.quarantine(putCtx, b), h.lists(b)
	var group sync.WaitGroup
	for _, d := range []*delivery{h.accepted(b), lists, quarantine} {
		group.Go(func() { h.deliver(putCtx, d) })
	}
	group.Wait()
	h.recordVerdicts(answerCtx, b)
}

// deliver puts records and sets the outcomes of those that were delivered.
func (h *Handler) deliver(ctx context.Context, d *delivery) {
	if len(d.records) == 0 {
		return
	}
	var failed []int
	err := panics.Catch(func() (err error) {
		failed, err = h.Firehose.Put(ctx, d.stream, d.records)
		return err
	})
	if err != nil {
		h.report("deliver", err)
	}
	if err != nil && len(failed) == 0 { // unknown which records were delivered
		return
	}
	for _, o := range d.outcomes {
		*o = delivered
	}
	for _, i := range failed {
		*d.outcomes[i] = pending
	}
}

// accepted returns the delivery of the events for the next training: all that
// have not been delivered before, including those that change no list.
func (h *Handler) accepted(b *batch) *delivery {
	d := &delivery{stream: h.Deliveries.Events}
	for _, e := range b.events {
		if e.repeated {
			e.outcome = recorded
		}
		if e.outcome != pending {
			continue
		}
		d.add(stream.EncodeEvent(e.Event), &e.outcome)
	}
	return d
}

// lists returns the delivery of the recommendations.
func (h *Handler) lists(b *batch) *delivery {
	d := &delivery{stream: h.Deliveries.Recommendations}
	now := h.Now().UTC().Truncate(time.Microsecond)
	for _, u := range b.users {
		if u.list == nil {
			continue
		}
		line, err := encode(stream.Recommendation{
			RecommendationID: u.list.RecommendationID,
			UserID:           u.id,
			Version:          u.list.Version,
			ConfigHash:       h.configHash,
			Stage:            u.list.Stage,
			EventsNotFolded:  u.list.EventsNotFolded,
			Items:            items(u.list),
			EventID:          u.trigger.EventID,
			EventOccurredAt:  u.trigger.OccurredAt.UTC(),
			CreatedAt:        now,
			LatencyMS:        now.Sub(u.trigger.arrivedAt).Milliseconds(),
		})
		if err != nil { // such as an infinite score
			h.reportList("encode a list", err)
			u.fail()
			continue
		}
		d.add(line, &u.outcome)
	}
	return d
}

// encode marshals without escaping <, > and &: with escaped ids a list of a
// thousand items would not fit into a delivery record.
func encode(document any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(document)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func items(l *recommend.List) []stream.Item {
	out := make([]stream.Item, len(l.Items))
	for i, it := range l.Items {
		out[i] = stream.Item{ItemID: it.ItemID, Rank: it.Rank, Score: it.Score, Stage: l.Stage}
	}
	return out
}

// maxDelivered is the largest line that a delivery stream accepts, without its
// newline.
const maxDelivered = awsclient.MaxDeliveryRecord - 1

// quarantine returns the delivery of the faulty parts. The payload of a part
// that is too large for a delivery record is written to the bucket, under a key
// that is the same on every retry. A part whose payload could not be written
// stays pending.
func (h *Handler) quarantine(ctx context.Context, b *batch) *delivery {
	d := &delivery{stream: h.Deliveries.Quarantine}
	now := h.Now().UTC().Truncate(time.Microsecond)
	for r, p := range b.faulty() {
		q := stream.Quarantine(r.Record, p.Decoded, now)
		line, err := encode(q)
		if err == nil && len(line) > maxDelivered {
			q.RawKey, q.Raw = stream.PayloadPrefix+q.QuarantineID, nil
			if line, err = encode(q); err == nil {
				err = h.putPayload(ctx, q.RawKey, p.Raw)
			}
		}
		if err != nil {
			h.report("quarantine a record", err)
			continue
		}
		d.add(line, &p.outcome)
	}
	return d
}

func (h *Handler) putPayload(ctx context.Context, key string, raw []byte) error {
	return panics.Catch(func() error {
		if err := h.Payloads.Put(ctx, key, bytes.NewReader(raw)); err != nil {
			return fmt.Errorf("store the payload of a quarantined record: %w", err)
		}
		return nil
	})
}
