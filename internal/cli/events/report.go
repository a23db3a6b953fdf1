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

// sendReport is what came of a sending.
type sendReport struct {
	Events  int64   `json:"events"`  // rows read
	Sent    int64   `json:"sent"`    // records the stream has taken
	Refused int64   `json:"refused"` // rows that the stream would not take, not sent
	Unsent  int64   `json:"unsent"`  // records that could not be put; they may be in the stream all the same
	Seconds float64 `json:"seconds"` // of sending

	// Of --wait: what became of the events, most frequent first.
	Verdicts []fateCount     `json:"verdicts,omitempty"`
	Missing  int             `json:"missing,omitempty"`  // events without a verdict
	Earlier  int             `json:"earlier,omitempty"`  // events that had their verdict before this sending
	Repeated int             `json:"repeated,omitempty"` // records of an event that was already on its way
	Latency  *output.Latency `json:"latency,omitempty"`  // of all events whose verdict came after their sending

	waited bool
	faults map[string]int64 // sent without an id to wait for, by what is wrong with them
}

// fateCount is how many events met a fate.
type fateCount struct {
	apiclient.VerdictCount
	Latency *output.Latency `json:"latency,omitempty"`
}

func (r *sendReport) sent(o outgoing) {
	r.Sent++
	if o.key.EventID == "" {
		if r.faults == nil {
			r.faults = map[string]int64{}
		}
		r.faults[o.fault]++
	}
}

// unnamed is how many records can have no verdict, because no id can be read.
func (r *sendReport) unnamed() (n int64) {
	for _, k := range r.faults {
		n += k
	}
	return n
}

// complete takes over what a waiter has found.
func (r *sendReport) complete(w *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.waited = true
	var all []time.Duration
	for f, took := range w.latency {
		all = append(all, took...)
		r.Verdicts = append(r.Verdicts, fateCount{
			VerdictCount: apiclient.VerdictCount{Verdict: f.verdict, Reason: f.reason, Events: int64(len(took))},
			Latency:      newLatency(took),
		})
	}
	slices.SortFunc(r.Verdicts, func(a, b fateCount) int {
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

// listing is one row for each fate, and one for all.
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
		{"repeated", "the event was on its way already", int64(r.Repeated)},
		{"unknown", "no event id can be read", r.unnamed()},
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

// sending runs read with a sender, waits for verdicts when that is wanted, and
// prints what came of it, also after an error.
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
	if f.wait {
		api, err := a.OpenAPI()
		if err != nil {
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
	return finishSending(a, s, err)
}

// finishSending prints the report; its own verdict comes when there was no error.
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

// verdict is an error when an event did not get where it should.
func (r *sendReport) verdict(trouble error) error {
	var wrong []string
	say := func(n int64, text string) {
		if n > 0 {
			wrong = append(wrong, output.Thousands(n)+" "+text)
		}
	}
	say(r.Refused, "cannot be sent")
	say(r.Unsent, "may not have been put (send the file again: what is there is not counted twice)")
	inQuarantine := int64(0)
	for _, v := range r.Verdicts {
		if v.Verdict == quarantined {
			inQuarantine += v.Events
		}
	}
	say(inQuarantine, "went to quarantine (see `recflow quarantine list`)")
	if r.waited {
		say(r.unnamed(), "can have no verdict: no event id can be read")
	}
	say(int64(r.Missing), "have no verdict (see `recflow stream status`)")
	if len(wrong) == 0 {
		return nil
	}
	err := fmt.Errorf("of %s events %s", output.Thousands(r.Events), strings.Join(wrong, ", "))
	if trouble != nil {
		err = fmt.Errorf("%w; the last look for verdicts: %w", err, app.ExplainAPI(trouble))
	}
	return err
}
