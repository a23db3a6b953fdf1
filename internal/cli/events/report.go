package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

// sendReport is the result of sending.
type sendReport struct {
	Events  int64   `json:"events"`  // rows read
	Sent    int64   `json:"sent"`    // records accepted by the stream
	Refused int64   `json:"refused"` // rows that the stream would reject, not sent
	Unsent  int64   `json:"unsent"`  // records whose put failed; they may be in the stream
	Seconds float64 `json:"seconds"` // time of sending

	// With --wait: the outcomes of the events, most frequent first.
	Verdicts []outcomeCount  `json:"verdicts,omitempty"`
	Missing  int             `json:"missing,omitempty"`  // events without a verdict
	Earlier  int             `json:"earlier,omitempty"`  // events whose verdict is older than this sending
	Repeated int             `json:"repeated,omitempty"` // records of an event that was sent before and has no verdict yet
	Unlisted int             `json:"unlisted,omitempty"` // quarantined events that `recflow quarantine list` does not have yet
	Latency  *output.Latency `json:"latency,omitempty"`  // of events whose verdict was written after they were sent

	waited bool
	faults map[string]int64 // events without an id to wait for, by fault
}

// outcomeCount is the number of events with an outcome.
type outcomeCount struct {
	apiclient.VerdictCount
	Latency *output.Latency `json:"latency,omitempty"`
}

func (r *sendReport) sent(o outgoing) {
	r.Sent++
	for i, key := range o.keys {
		if key.EventID != "" {
			continue
		}
		if r.faults == nil {
			r.faults = map[string]int64{}
		}
		r.faults[o.faults[i]]++
	}
}

// unnamed returns the number of records that cannot have a verdict, because
// their id is unreadable.
func (r *sendReport) unnamed() (n int64) {
	for _, k := range r.faults {
		n += k
	}
	return n
}

// complete adds the results of a waiter.
func (r *sendReport) complete(w *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.waited = true
	var all []time.Duration
	for f, took := range w.latency {
		all = append(all, took...)
		r.Verdicts = append(r.Verdicts, outcomeCount{
			VerdictCount: apiclient.VerdictCount{Verdict: f.verdict, Reason: f.reason, Events: int64(len(took))},
			Latency:      newLatency(took),
		})
	}
	slices.SortFunc(r.Verdicts, func(a, b outcomeCount) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Verdict, b.Verdict), strings.Compare(a.Reason, b.Reason))
	})
	r.Missing, r.Earlier, r.Repeated, r.Latency = len(w.sent), w.earlier, w.repeated, newLatency(all)
}

func newLatency(all []time.Duration) *output.Latency {
	q, ok := quantiles(all)
	if !ok {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &output.Latency{P50: ms(q[0]), P95: ms(q[1]), P99: ms(q[2])}
}

// listing returns one row per outcome, and a total.
func (r *sendReport) listing() output.Listing {
	l := output.Listing{Columns: []string{"verdict", "reason", "events", "p50_ms", "p95_ms", "p99_ms"}, JSON: r}
	row := func(verdict, reason string, n int64, took *output.Latency) {
		l.Rows = append(l.Rows, append([]string{verdict, reason, output.Count(n)}, took.Cells()...))
	}
	for _, v := range r.Verdicts {
		row(v.Verdict, v.Reason, v.Events, v.Latency)
	}
	for _, one := range []struct {
		verdict, reason string
		n               int64
	}{
		{"missing", "no verdict in time", int64(r.Missing)},
		{"repeated", "the event was sent before", int64(r.Repeated)},
		{"unknown", "its event id is unreadable", r.unnamed()},
		{"refused", "not sent", r.Refused},
		{"unsent", "could not be put", r.Unsent},
	} {
		if one.n > 0 {
			row(one.verdict, one.reason, one.n, nil)
		}
	}
	row("all", fmt.Sprintf("%d sent", r.Sent), r.Events, r.Latency)
	return l
}

// sending runs read with a sender, waits for verdicts if requested, and prints
// the report, also after an error.
func sending(ctx context.Context, a *app.App, f waitFlags, read func(context.Context, *sender) error) error {
	kinesis, err := a.OpenStream(ctx)
	if err != nil {
		return err
	}
	printer := a.Progress()
	s := &sender{put: kinesis.Put, say: printer.Printf}
	if a.Quiet {
		s.say = func(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }
	}
	finish, waited := make(chan struct{}), make(chan error, 1)
	var api *apiclient.Client
	if f.wait {
		if api, err = a.OpenAPI(); err != nil {
			return err
		}
		s.wait = newWaiter(api)
	}
	s.task = printer.Start("send", "reading")
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.wait {
		go func() { waited <- s.wait.run(waiting, finish, f.timeout, s.show) }()
	} else {
		waited <- nil
	}
	began := time.Now()
	err = read(ctx, s)
	if ctx.Err() == nil {
		err = errors.Join(err, s.flush(ctx))
	}
	if !s.started.IsZero() {
		began = s.started
	}
	s.report.Seconds = time.Since(began).Seconds()
	close(finish)
	if e := <-waited; err == nil {
		err = e
	}
	if f.wait && err == nil && len(s.wait.invalid) > 0 {
		s.task.Update("waiting for the quarantine's listing")
		if awaitListed(ctx, api.Quarantine, s.wait.invalid, began, f.timeout) == nil {
			s.report.Unlisted = len(s.wait.invalid)
		}
	}
	return finishSending(a, s, err)
}

// finishSending prints the report. Without an error from sending, it returns
// the report's own.
func finishSending(a *app.App, s *sender, err error) error {
	r := &s.report
	trouble := error(nil)
	if s.wait != nil {
		r.complete(s.wait)
		_, trouble = s.wait.missing()
	}
	if err = errors.Join(err, r.verdict(trouble)); err != nil {
		s.task.Fail()
	} else {
		s.task.Done("%s events in %.1f s, %.0f/s", output.Thousands(r.Sent), r.Seconds, float64(r.Sent)/max(r.Seconds, 0.001))
	}
	return errors.Join(a.Print(r.listing()), err)
}

// verdict returns an error if events were not processed.
func (r *sendReport) verdict(trouble error) error {
	var wrong []string
	say := func(n int64, text string) {
		if n > 0 {
			wrong = append(wrong, output.Thousands(n)+" "+text)
		}
	}
	say(r.Refused, "cannot be sent")
	say(r.Unsent, "may not have been put (send the file again: duplicates are not counted twice)")
	inQuarantine := int64(0)
	for _, v := range r.Verdicts {
		if v.Verdict == quarantined {
			inQuarantine += v.Events
		}
	}
	say(inQuarantine, "were quarantined (see `recflow quarantine list`)")
	say(int64(r.Unlisted), "of these are not listed yet (Firehose delivers them to the bucket when its buffer is full or old enough)")
	if r.waited {
		say(r.unnamed(), "cannot have a verdict: their event id is unreadable")
	}
	say(int64(r.Missing), "have no verdict (see `recflow stream status`)")
	if len(wrong) == 0 {
		return nil
	}
	err := fmt.Errorf("of %s events %s", output.Thousands(r.Events), strings.Join(wrong, ", "))
	if trouble != nil {
		err = fmt.Errorf("%w; the last request for verdicts: %w", err, app.ExplainAPI(trouble))
	}
	return err
}
