package recommendations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

// watchEvery is the interval of polling a watched list.
const watchEvery = 250 * time.Millisecond

// watchList prints a user's list, and again whenever it changes, until ctx
// ends.
func watchList(ctx context.Context, a *app.App, req apiclient.ListRequest, user string) error {
	if a.Output == "csv" || a.Output == "yaml" {
		return app.UsageError(errors.New("--watch prints a table or JSON lines; use -o json"))
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	req.UserID = user
	var shown *apiclient.List
	away := false
	for {
		now, err := api.Recommend(ctx, req)
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C is the normal end of a watch
		case err != nil && shown == nil, refused(err):
			return app.ExplainVersion(err, req.Version)
		case err != nil: // the watch continues when the API responds again
			if !away {
				fmt.Fprintf(a.Err, "failed to read the list, retrying: %v\n", err)
			}
			away = true
		case shown == nil || changed(*shown, now):
			if err := printWatched(a, shown, now); err != nil {
				return err
			}
			shown = &now
		}
		away = away && err != nil
		if app.SleepUntil(ctx, time.Now().Add(watchEvery)) != nil {
			return nil
		}
	}
}

// refused reports whether a retry is useless: the version does not exist, or
// the token does not allow it.
func refused(err error) bool {
	var p *apiclient.Problem
	return errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests
}

// changed reports whether a list differs from the previous one: computed from
// another state, or with other items.
func changed(before, now apiclient.List) bool {
	return before.RecommendationID != now.RecommendationID || before.Stage != now.Stage || !slices.Equal(itemIDs(before), itemIDs(now))
}

func itemIDs(l apiclient.List) []string {
	ids := make([]string, len(l.Items))
	for i, it := range l.Items {
		ids[i] = it.ItemID
	}
	return ids
}

func printWatched(a *app.App, before *apiclient.List, now apiclient.List) error {
	if a.Output == "json" {
		return json.NewEncoder(a.Out).Encode(now)
	}
	if before != nil {
		fmt.Fprintln(a.Out)
	}
	fmt.Fprintf(a.Out, "%s · user %s · %s · version %d · list %s\n",
		time.Now().Format("15:04:05.000"), now.UserID, stageText(now.Stage), now.Version, now.RecommendationID)
	if len(now.Items) == 0 {
		_, err := fmt.Fprintln(a.Out, noItems)
		return err
	}
	if before == nil {
		return a.PrintTable(rankedColumns, rankedRows(now.Items))
	}
	moves, gone := moved(*before, now)
	if gone == nil && !slices.ContainsFunc(moves, func(m string) bool { return m != "" }) {
		_, err := fmt.Fprintln(a.Out, "the same items in the same order")
		return err
	}
	rows := rankedRows(now.Items)
	for i := range rows {
		rows[i] = slices.Insert(rows[i], 1, moves[i])
	}
	if err := a.PrintTable(slices.Insert(slices.Clone(rankedColumns), 1, "moved"), rows); err != nil {
		return err
	}
	if len(gone) > 0 {
		fmt.Fprintf(a.Out, "removed: %s\n", strings.Join(gone, ", "))
	}
	return nil
}

// moved returns for each item of a list its previous position, and the items
// that were removed.
func moved(before, now apiclient.List) (moves, gone []string) {
	was := make(map[string]int, len(before.Items))
	for _, it := range before.Items {
		was[it.ItemID] = it.Rank
	}
	moves = make([]string, len(now.Items))
	for i, it := range now.Items {
		rank, known := was[it.ItemID]
		delete(was, it.ItemID)
		switch {
		case !known:
			moves[i] = "new"
		case rank > it.Rank:
			moves[i] = "↑" + strconv.Itoa(rank-it.Rank)
		case rank < it.Rank:
			moves[i] = "↓" + strconv.Itoa(it.Rank-rank)
		}
	}
	for _, it := range before.Items {
		if _, left := was[it.ItemID]; left {
			gone = append(gone, it.ItemID)
		}
	}
	return moves, gone
}
