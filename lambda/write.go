package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
)

// delivery is what goes to one delivery stream, and whose it is.
type delivery struct {
	stream  string
	records [][]byte
	of      []int // index of the event, the user or the unit
}

// add ends the record's line: what is delivered is concatenated as it is.
func (d *delivery) add(of int, record []byte) {
	d.records, d.of = append(d.records, append(record, '\n')), append(d.of, of)
}

// write is the last step: it delivers the events, the lists and what is
// quarantined, and records the verdicts of what has been delivered. Whatever of
// it fails has to come again.
func (h *Handler) write(putCtx, answerCtx context.Context, b *batch) {
	quarantine, lost := h.quarantined(putCtx, b)
	lists := h.lists(b)
	deliveries := []*delivery{h.accepted(b), lists, quarantine}
	failed := make([]map[int]bool, len(deliveries))
	var group sync.WaitGroup
	for i, d := range deliveries {
		group.Go(func() { failed[i] = h.deliver(putCtx, d) })
	}
	group.Wait()

	noEvent, noList, noQuarantine := failed[0], failed[1], failed[2]
	for i := range lost {
		noQuarantine[i] = true
	}
	for i := range b.users {
		if b.users[i].list == nil {
			noList[i] = true
		}
	}
	for i := range noEvent {
		b.retryEvent(i)
	}
	for i := range noList {
		b.retryUser(i)
	}
	for i := range noQuarantine {
		b.records[b.units[i].record].retry = true
	}
	h.record(answerCtx, b, noEvent, noList, noQuarantine)
}

// deliver puts records and returns whose did not arrive.
func (h *Handler) deliver(ctx context.Context, d *delivery) map[int]bool {
	out := map[int]bool{}
	if len(d.records) == 0 {
		return out
	}
	var failed []int
	err := safely(func() (err error) {
		failed, err = h.Firehose.Put(ctx, d.stream, d.records)
		return err
	})
	if err != nil {
		h.report("deliver", err)
	}
	if err != nil && len(failed) == 0 { // of none is it known that it arrived
		failed = all(len(d.records))
	}
	for _, i := range failed {
		out[d.of[i]] = true
	}
	return out
}

// accepted is the events that the next training reads: all that have not been
// delivered before, even where the list of their user failed.
func (h *Handler) accepted(b *batch) *delivery {
	d := &delivery{stream: h.Deliveries.Events}
	for i, e := range b.events {
		if !e.conflict && !e.done {
			d.add(i, stream.EncodeEvent(e.Event))
		}
	}
	return d
}

// lists is the recommendations.
func (h *Handler) lists(b *batch) *delivery {
	d := &delivery{stream: h.Deliveries.Recommendations}
	now := h.Now().UTC().Truncate(time.Microsecond)
	for i, u := range b.users {
		if u.list == nil {
			continue
		}
		trigger := b.events[u.trigger]
		line, err := encode(stream.Recommendation{
			RecommendationID: u.list.RecommendationID,
			UserID:           u.id,
			Version:          u.list.Version,
			ConfigHash:       h.configHash,
			Stage:            u.list.Stage,
			Items:            items(u.list),
			EventID:          trigger.EventID,
			EventOccurredAt:  trigger.OccurredAt.UTC(),
			CreatedAt:        now,
			LatencyMS:        now.Sub(trigger.arrived).Milliseconds(),
		})
		if err != nil { // an infinite score
			h.report("encode a list", err)
			b.users[i].list = nil
			continue
		}
		d.add(i, line)
	}
	return d
}

// encode leaves <, > and & as they are: escaped for a browser, a thousand ids of
// them would not fit into a delivery record.
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

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// maxDelivered is the largest line that a delivery stream takes, without the
// newline that ends it.
const maxDelivered = awsclient.MaxDeliveryRecord - 1

// quarantined is the records that can never succeed. The bytes of one that is
// too large for a delivery record go to the bucket, under a key that is the same
// on every retry; those whose bytes could not be written are lost for now.
func (h *Handler) quarantined(ctx context.Context, b *batch) (d *delivery, lost map[int]bool) {
	d, lost = &delivery{stream: h.Deliveries.Quarantine}, map[int]bool{}
	now := h.Now().UTC().Truncate(time.Microsecond)
	for i, u := range b.units {
		if u.Fault == nil {
			continue
		}
		q := stream.Quarantine(b.records[u.record].Record, u.Decoded, now)
		line, err := encode(q)
		if err == nil && len(line) > maxDelivered {
			q.RawKey, q.Raw = stream.PayloadPrefix+q.QuarantineID, nil
			if line, err = encode(q); err == nil {
				err = h.keepPayload(ctx, q.RawKey, u.Raw)
			}
		}
		if err != nil {
			h.report("quarantine a record", err)
			lost[i] = true
			continue
		}
		d.add(i, line)
	}
	return d, lost
}

func (h *Handler) keepPayload(ctx context.Context, key string, raw []byte) error {
	return safely(func() error {
		if err := h.Payloads.Put(ctx, key, bytes.NewReader(raw)); err != nil {
			return fmt.Errorf("keep the payload of a quarantined record: %w", err)
		}
		return nil
	})
}
