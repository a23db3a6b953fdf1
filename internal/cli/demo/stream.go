package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// sendClicks sends clicks of a new user, on popular items, and of a known user,
// on the first items of their own list, and shows what changes: the lists, and
// the object with the delivered lists. The known user's clicks have times after
// the data set: years later, a single click would outweigh the whole history.
func (d *demo) sendClicks(ctx context.Context, known string, last time.Time, items []string) error {
	began := time.Now().UTC()
	visitor := "visitor-" + began.Format("20060102T150405")
	own, err := d.firstOf(ctx, known, len(items))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "recflow-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clicks := filepath.Join(dir, "clicks.jsonl")
	lines := append(demoClicks(began, began, visitor, items), demoClicks(began, last.Add(time.Hour), known, own)...)
	if err := os.WriteFile(clicks, lines, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(d.Err, "\nNow the stream: %s, a new user, clicks on %s, and %s on %s.\n",
		visitor, strings.Join(items, " and "), known, strings.Join(own, " and "))
	for _, args := range [][]string{
		{"recommend", "-k", "5", visitor, known},
		{"events", "send", clicks, "--wait"},
		{"recommend", "-k", "5", visitor, known},
	} {
		if err := d.step(ctx, args...); err != nil {
			return err
		}
	}
	return d.showDelivered(ctx, began, visitor, known)
}

// firstOf returns the first n items of a user's list.
func (d *demo) firstOf(ctx context.Context, user string, n int) ([]string, error) {
	api, err := d.OpenAPI()
	if err != nil {
		return nil, err
	}
	list, err := api.Recommend(ctx, apiclient.ListRequest{UserID: user, K: n})
	return itemIDs(list), app.ExplainAPI(err)
}

func itemIDs(l apiclient.List) []string {
	var ids []string
	for _, item := range l.Items {
		ids = append(ids, item.ItemID)
	}
	return ids
}

// demoClicks returns a click of a user on each item from a time on, as JSON
// lines.
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
func (d *demo) showDelivered(ctx context.Context, since time.Time, users ...string) error {
	bucket, err := d.OpenBucket(ctx)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(deliveredWithin); ; {
		found, err := delivered(ctx, bucket, since, users)
		if err != nil {
			return err
		}
		if len(found) == len(users) {
			for _, user := range users {
				fmt.Fprintf(d.Out, "\ns3://%s/%s\n  %s\n", bucket.Bucket(), found[user].key, shortened(found[user].list))
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

// delivered returns the newest list of each user in the objects of the hours
// since.
func delivered(ctx context.Context, bucket *awsclient.S3, since time.Time, users []string) (map[string]deliveredList, error) {
	found := map[string]deliveredList{}
	for hour := since.Truncate(time.Hour); !hour.After(time.Now()); hour = hour.Add(time.Hour) {
		for o, err := range bucket.List(ctx, hour.Format("recommendations/dt=2006-01-02/hour=15/")) {
			if err != nil {
				return nil, err
			}
			err := awsclient.EachDelivered(ctx, bucket, o.Key, func(list stream.Recommendation) bool {
				if slices.Contains(users, list.UserID) && list.CreatedAt.After(since) && list.CreatedAt.After(found[list.UserID].list.CreatedAt) {
					found[list.UserID] = deliveredList{o.Key, list}
				}
				return true
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// shortened formats a delivered list as a line that fits on a screen.
func shortened(l stream.Recommendation) string {
	var ids []string
	for _, item := range l.Items[:min(5, len(l.Items))] {
		ids = append(ids, item.ItemID)
	}
	return fmt.Sprintf("user_id %s, recommendation_id %s, version %d, stage %s, items %s…, latency_ms %d",
		l.UserID, l.RecommendationID, l.Version, l.Stage, strings.Join(ids, " "), l.LatencyMS)
}
