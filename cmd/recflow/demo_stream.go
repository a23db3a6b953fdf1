package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// demoStream sends a few events of somebody new and of a known user, and shows
// what changes: the lists, and the object that holds them. The known user's
// events follow the data set: after years without one, a single click would
// outweigh everything that came before it.
func (a *app) demoStream(ctx context.Context, known string, last time.Time, items []string) error {
	began := time.Now().UTC()
	visitor := "visitor-" + began.Format("20060102T150405")
	dir, err := os.MkdirTemp("", "recflow-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clicks := filepath.Join(dir, "clicks.jsonl")
	lines := append(demoClicks(began, began, visitor, items), demoClicks(began, last.Add(time.Hour), known, items)...)
	if err := os.WriteFile(clicks, lines, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "\nNow the stream: %s, of whom nothing is known, and %s each click on items like %s.\n", visitor, known, items[0])
	for _, args := range [][]string{
		{"recommend", "-k", "5", visitor, known},
		{"events", "send", clicks, "--wait"},
		{"recommend", "-k", "5", visitor, known},
	} {
		if err := a.step(ctx, args...); err != nil {
			return err
		}
	}
	return a.showDelivered(ctx, began, visitor, known)
}

// demoClicks is a click of a user on each item from a time on, as JSON lines.
func demoClicks(run, at time.Time, user string, items []string) []byte {
	var lines []byte
	for i, item := range items {
		e := recsys.Event{
			EventID: fmt.Sprintf("demo-%s-%s-%d", run.Format("20060102T150405.000"), user, i), UserID: user, ItemID: item,
			EventType: recsys.Click, OccurredAt: at.Add(time.Duration(i) * time.Millisecond),
		}
		lines = append(append(lines, stream.EncodeEvent(e)...), '\n')
	}
	return lines
}

// deliveredWithin is how long the demo waits for Firehose, which delivers every
// second here.
const deliveredWithin = 15 * time.Second

// showDelivered finds the newest list of each user in the bucket.
func (a *app) showDelivered(ctx context.Context, since time.Time, users ...string) error {
	vars, err := localVariables()
	if err != nil {
		return err
	}
	config, err := awsclient.Load(ctx, awsclient.OptionsFrom(vars))
	if err != nil {
		return err
	}
	bucket := awsclient.NewS3(config, vars["RECFLOW_BUCKET"])
	for deadline := time.Now().Add(deliveredWithin); ; {
		found, err := delivered(ctx, bucket, since, users)
		if err != nil {
			return err
		}
		if len(found) == len(users) {
			for _, user := range users {
				fmt.Fprintf(a.out, "\ns3://%s/%s\n  %s\n", bucket.Bucket(), found[user].key, shortened(found[user].list))
			}
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the new lists are not in recommendations/ yet; see `recflow logs firehose`")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

type deliveredList struct {
	key  string
	list stream.Recommendation
}

// delivered is the newest list of each user in the objects of the hours since.
func delivered(ctx context.Context, bucket *awsclient.S3, since time.Time, users []string) (map[string]deliveredList, error) {
	found := map[string]deliveredList{}
	for hour := since.Truncate(time.Hour); !hour.After(time.Now()); hour = hour.Add(time.Hour) {
		for o, err := range bucket.List(ctx, hour.Format("recommendations/dt=2006-01-02/hour=15/")) {
			if err != nil {
				return nil, err
			}
			body, err := bucket.Get(ctx, o.Key, 64<<20)
			if err != nil {
				return nil, err
			}
			zip, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", o.Key, err)
			}
			lines := bufio.NewScanner(zip)
			lines.Buffer(nil, awsclient.MaxDeliveryRecord)
			for lines.Scan() {
				var list stream.Recommendation
				if err := json.Unmarshal(lines.Bytes(), &list); err != nil {
					return nil, fmt.Errorf("read %s: %w", o.Key, err)
				}
				for _, user := range users {
					if list.UserID == user && list.CreatedAt.After(since) && list.CreatedAt.After(found[user].list.CreatedAt) {
						found[user] = deliveredList{o.Key, list}
					}
				}
			}
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read %s: %w", o.Key, err)
			}
		}
	}
	return found, nil
}

// shortened is a delivered list in a line that fits on a screen.
func shortened(l stream.Recommendation) string {
	var ids []string
	for _, item := range l.Items[:min(5, len(l.Items))] {
		ids = append(ids, item.ItemID)
	}
	return fmt.Sprintf("user_id %s, recommendation_id %s, version %d, stage %s, items %s…, latency_ms %d",
		l.UserID, l.RecommendationID, l.Version, l.Stage, strings.Join(ids, " "), l.LatencyMS)
}
