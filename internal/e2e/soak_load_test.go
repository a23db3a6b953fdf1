package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
)

// callTimeout is how long a client waits for an answer of the API: longer than its
// deadlines and than it is ever stopped.
const callTimeout = 20 * time.Second

// longest is how long a backfill may take on a slow machine, with faults.
const longest = 12 * time.Minute

// answer is the result of a request for a list.
type answer struct {
	at      time.Time
	took    time.Duration
	version int64
	items   int
	err     error
}

// event returns a new event and remembers it. The caller holds s.mu.
func (s *soak) event(random *rand.Rand, id string) recsys.Event {
	u := random.IntN(receivers)
	e := recsys.Event{
		EventID: id, UserID: fmt.Sprintf("u%d", u), ItemID: itemOf(u, random.IntN(60)), EventType: recsys.Click,
		OccurredAt: time.Now().Add(-time.Duration(random.IntN(48*3600)) * time.Second).UTC().Truncate(time.Microsecond),
	}
	s.sent[id] = e
	return e
}

// sendToStream puts about 50 records a second: events, copies of earlier ones, and
// records that are none.
func (s *soak) sendToStream(ctx context.Context, random *rand.Rand) {
	var malformed [][]byte
	for _, b := range streamtest.Malformed() {
		if b.EventID == "" && len(b.Data) > 0 && len(b.Data) < 10_000 {
			malformed = append(malformed, b.Data)
		}
	}
	for n := 0; harnesstest.Pause(ctx, 200*time.Millisecond); {
		var records []awsclient.StreamRecord
		var ids []string // of the records; empty: malformed
		s.mu.Lock()
		for range 10 {
			dice := random.IntN(100)
			if dice < 2 {
				ids = append(ids, "")
				records = append(records, awsclient.StreamRecord{PartitionKey: fmt.Sprint(n), Data: malformed[random.IntN(len(malformed))]})
				continue
			}
			id := fmt.Sprintf("e%d", n)
			e, known := s.sent[fmt.Sprintf("e%d", random.IntN(n+1))]
			if dice < 12 && known {
				id = e.EventID
			} else {
				e = s.event(random, id)
				n++
			}
			ids = append(ids, id)
			records = append(records, awsclient.StreamRecord{PartitionKey: e.UserID, Data: stream.EncodeEvent(e)})
		}
		s.mu.Unlock()
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		results, _ := s.put.Put(call, records)
		cancel()
		// A record with a sequence number is in the stream, even if the put failed.
		s.mu.Lock()
		for i, r := range results {
			switch {
			case r.SequenceNumber == "":
			case ids[i] == "":
				s.malformed = append(s.malformed, records[i].Data)
			default:
				s.accepted[ids[i]] = true
			}
		}
		s.mu.Unlock()
	}
}

// sendToAPI sends a few events a second through the API.
func (s *soak) sendToAPI(ctx context.Context, random *rand.Rand) {
	for n := 0; harnesstest.Pause(ctx, 500*time.Millisecond); {
		var events []apiclient.NewEvent
		s.mu.Lock()
		for range 3 {
			e := s.event(random, fmt.Sprintf("api%d", n))
			n++
			events = append(events, apiclient.NewEvent{EventID: e.EventID, UserID: e.UserID, ItemID: e.ItemID, EventType: e.EventType, OccurredAt: e.OccurredAt})
		}
		s.mu.Unlock()
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		sent, err := s.api.SendEvents(call, events, "") // the events have ids
		cancel()
		if err != nil {
			s.refused("POST /events", err)
			continue
		}
		s.mu.Lock()
		for _, r := range sent.Results {
			if r.Status == "accepted" {
				s.accepted[r.EventID] = true
			}
		}
		s.mu.Unlock()
	}
}

// readLists reads about ten lists a second.
func (s *soak) readLists(ctx context.Context, random *rand.Rand) {
	for harnesstest.Pause(ctx, 100*time.Millisecond) {
		user := fmt.Sprintf("u%d", random.IntN(300)) // 60 of them are unknown
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		began := time.Now()
		list, err := s.api.Recommend(call, apiclient.ListRequest{UserID: user, K: 10})
		cancel()
		s.mu.Lock()
		s.answers = append(s.answers, answer{began, time.Since(began), list.Version, len(list.Items), err})
		s.mu.Unlock()
	}
}

// train runs one training after the other.
func (s *soak) train(ctx context.Context, random *rand.Rand) {
	s.backfills(ctx, random, "training", func() apiclient.NewBackfill {
		return apiclient.NewBackfill{Kind: backfill.Refresh, Promote: true, Rerun: backfill.RerunAll, Training: &soakTraining}
	})
}

// writeLists writes the lists of all users again and again.
func (s *soak) writeLists(ctx context.Context, random *rand.Rand) {
	s.backfills(ctx, random, "lists", func() apiclient.NewBackfill {
		return apiclient.NewBackfill{Kind: backfill.Lists, MaxParallel: 2, Lists: &apiclient.ListOptions{K: 5 + random.IntN(10), Windows: 4}}
	})
}

// backfills runs one backfill after the other until ctx ends, and waits for the last.
// Each is started until an answer arrives, with the same idempotency key.
func (s *soak) backfills(ctx context.Context, random *rand.Rand, name string, next func() apiclient.NewBackfill) {
	for n := 0; ctx.Err() == nil; n++ {
		request, key := next(), fmt.Sprintf("%s-%d", name, n)
		var b apiclient.Backfill
		err := harnesstest.Poll(ctx, 500*time.Millisecond, func() (started bool) {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			var err error
			if b, err = s.api.StartBackfill(call, request, key); err != nil && ctx.Err() == nil {
				s.refused("POST /backfill", err)
			}
			return err == nil
		})
		if err != nil {
			return // the faults have ended; if it was started, settle waits for it
		}
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
		err = harnesstest.Poll(waiting, 300*time.Millisecond, func() bool {
			call, cancel := context.WithTimeout(waiting, callTimeout)
			defer cancel()
			now, err := s.api.Backfill(call, b.ID, 0, 0)
			if err == nil {
				b = now
			}
			return b.Over() || s.t.Failed()
		})
		cancel()
		if s.t.Failed() {
			return
		}
		if err != nil {
			s.t.Errorf("the %s %s is %s after %s: %s", name, b.ID, b.State, longest, reasons(b))
			return
		}
		s.count(name + " " + b.State)
		if b.State != backfill.Succeeded {
			s.t.Logf("%s %s %s: %s", name, b.ID, b.State, reasons(b))
		}
		harnesstest.Pause(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
	}
}

// reasons returns why a backfill did not succeed.
func reasons(b apiclient.Backfill) string {
	all := []string{b.Error}
	for _, w := range b.Windows {
		if w.Error != "" {
			all = append(all, w.Error)
		}
	}
	return strings.Join(all, "; ")
}

// refusals are the statuses of a change when another change was first, or when there
// is no earlier version.
var refusals = []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed}

// changeLive rolls back, or promotes another version, several times a minute.
func (s *soak) changeLive(ctx context.Context, random *rand.Rand) {
	for harnesstest.Pause(ctx, 8*time.Second+time.Duration(random.IntN(8000))*time.Millisecond) {
		what, err := s.changeOnce(ctx, random)
		var p *apiclient.Problem
		switch {
		case err == nil:
			s.count(what)
		case errors.As(err, &p) && slices.Contains(refusals, p.Status):
			s.count(what + " refused: " + p.Code)
		case ctx.Err() == nil:
			s.refused("change the live version", err)
		}
	}
}

func (s *soak) changeOnce(ctx context.Context, random *rand.Rand) (what string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, etag, err := s.api.Live(ctx)
	if err != nil {
		return "", err
	}
	if random.IntN(2) == 0 {
		_, err = s.api.Rollback(ctx, etag, apiclient.NewLiveChange{Reason: "soak"})
		return "rollback", err
	}
	versions, err := s.api.Versions(ctx, "", 20)
	if err != nil {
		return "", err
	}
	var ready []int64
	for _, v := range versions.Items {
		if v.State == recsys.Ready && !v.Live {
			ready = append(ready, v.ID)
		}
	}
	if len(ready) == 0 {
		return "promotion: no other version", nil
	}
	_, err = s.api.Promote(ctx, ready[random.IntN(len(ready))], etag, apiclient.NewLiveChange{Reason: "soak"})
	return "promotion by hand", err
}

// compare checks about twice a second that every event counts once, when the
// database answers.
func (s *soak) compare(ctx context.Context, _ *rand.Rand) {
	for harnesstest.Pause(ctx, 500*time.Millisecond) && !s.t.Failed() {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		if err := s.compareState(call); err != nil && ctx.Err() == nil {
			s.count("checks that found no database")
		}
		cancel()
	}
}

// refused counts a request other than for a list that was not carried out, or whose
// answer was lost. Only unavailability is expected.
func (s *soak) refused(operation string, err error) {
	var p *apiclient.Problem
	switch {
	case !errors.As(err, &p):
		s.count(operation + ": no answer")
	case p.Status == http.StatusServiceUnavailable && p.RetryAfter > 0:
		s.count(operation + ": 503 " + p.Code)
	default:
		s.t.Errorf("%s: status %d, code %s: %v", operation, p.Status, p.Code, err)
	}
}
