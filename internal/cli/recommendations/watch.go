package recommendations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// watchEvery is the time between two looks at a watched list.
const watchEvery = 250 * time.Millisecond

// watchList prints a user's list, and again whenever it changes, until ctx ends.
func watchList(ctx context.Context, a *app.App, req recommend.Request, user string) error {
	if a.Output == "csv" {
		return app.UsageError(errors.New("--watch prints a table or JSON lines; use -o json"))
	}
	store, err := database.Open(ctx, a)
	if err != nil {
		return err
	}
	defer store.Close()
	req.UserID = user
	r := recommend.Recommender{Store: store}
	var shown *recommend.List
	away := false
	for {
		now, err := r.Recommend(ctx, req)
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C is how a watch ends
		case err != nil && shown == nil, errors.Is(err, recsys.ErrNotFound):
			return app.ExplainVersion(err, req.Version)
		case err != nil: // the watch goes on when the database is there again
			if !away {
				fmt.Fprintf(a.Err, "the list cannot be read at the moment: %v\n", err)
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

// changed tells whether a list is another than before: made from another state,
// or of other items.
func changed(before, now recommend.List) bool {
	return before.RecommendationID != now.RecommendationID || before.Stage != now.Stage || !slices.Equal(itemIDs(before), itemIDs(now))
}

func itemIDs(l recommend.List) []string {
	ids := make([]string, len(l.Items))
	for i, it := range l.Items {
		ids[i] = it.ItemID
	}
	return ids
}

func printWatched(a *app.App, before *recommend.List, now recommend.List) error {
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
		fmt.Fprintf(a.Out, "gone: %s\n", strings.Join(gone, ", "))
	}
	return nil
}

// moved says for each item of a list where it came from, and which items of the
// list before are gone.
func moved(before, now recommend.List) (moves, gone []string) {
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
