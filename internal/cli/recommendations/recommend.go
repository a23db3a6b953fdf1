// Package recommendations has the commands that request lists: recommend,
// similar and explain.
package recommendations

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
)

const recommendLong = `Print the recommendations of the live version for each user. Seen items are
excluded.

A list has a stage: personalized (a trained user, with or without new events),
session (a new user, from live events) or popular (no events with weight).

With --recent the list also follows items that were clicked just now, as if the
clicks were in the stream; they are not stored. Without a user the list follows
them alone.

With --watch the list of one user is printed again whenever it changes, with
the differences. The id of a list identifies the state that it was computed from.
With -o json each list is one line. Ctrl-C ends it.`

// recommendFlags are the flags of recommend.
type recommendFlags struct {
	apiclient.ListRequest
	file  string // one user id per line; - for stdin
	watch bool
}

// NewRecommendCommand returns the command recommend.
func NewRecommendCommand(a *app.App) *cobra.Command {
	var f recommendFlags
	cmd := &cobra.Command{
		Use:   "recommend USER…",
		Short: "Recommend items to users",
		Long:  recommendLong,
		Example: "  recflow recommend 1364 -k 5\n" +
			"  recflow recommend --users users.txt -k 100 -o csv > lists.csv\n" +
			"  recflow recommend --recent 995242 --recent 1029743\n" +
			"  recflow recommend 1364 --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return app.UsageError(err)
			}
			if f.watch {
				return watchList(cmd.Context(), a, f.ListRequest, args[0])
			}
			if len(args) == 0 && f.file == "" {
				return printAnonymous(cmd.Context(), a, f.ListRequest)
			}
			return printLists(cmd.Context(), a, f, args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.K, "k", "k", 10, "length of a list")
	flags.StringVar(&f.Category, "category", "", "only items of this category")
	flags.StringArrayVar(&f.Tags, "tag", nil, "only items with this tag; may be repeated")
	flags.StringVar(&f.file, "users", "", "file with one user id per line; - for stdin")
	flags.Int64Var(&f.Version, "version", 0, "read this version instead of the live one")
	flags.BoolVar(&f.watch, "watch", false, "print the list of one user again whenever it changes")
	flags.StringVar(&f.ExcludeSeen, "exclude-seen", "", "which seen items to exclude: all or none (default all)")
	flags.StringArrayVar(&f.Recent, "recent", nil, "an item clicked just now; may be repeated")
	flags.StringArrayVar(&f.Exclude, "exclude", nil, "an item to exclude; may be repeated")
	a.AddOutputFlag(cmd)
	return cmd
}

func (f recommendFlags) check(args []string) error {
	if len(args) == 0 && f.file == "" && len(f.Recent) == 0 {
		return fmt.Errorf("name a user, or a file of users with --users, or items clicked just now with --recent")
	}
	if len(args) > 0 && f.file != "" {
		return fmt.Errorf("name users or give --users, not both")
	}
	if f.watch && len(args) != 1 {
		return fmt.Errorf("--watch is for one user")
	}
	for _, user := range args {
		if err := recsys.CheckID("user", user); err != nil {
			return err
		}
	}
	return checkLength(f.K)
}

// checkLength returns an error for a length that is invalid: in a request, 0
// means the default.
func checkLength(k int) error {
	if k < 1 {
		return fmt.Errorf("k is %d; use 1 or more", k)
	}
	return nil
}

// printLists prints the list of each user, and reports at the end which users
// have none.
func printLists(ctx context.Context, a *app.App, f recommendFlags, args []string) error {
	users, failed := slices.Values(args), func() error { return nil }
	if f.file != "" {
		in, err := sources.OpenInput(a, f.file)
		if err != nil {
			return err
		}
		defer in.Close()
		users, failed = ids(in)
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(a.Out)
	w := newListWriter(a, buffered)
	printer := progress.Discard()
	if f.file != "" || len(args) > apiclient.MaxBatch {
		printer = a.Progress()
	}
	task := printer.Start("recommend", "starting")
	n := 0
	var without []error // reasons for missing lists
	err = eachList(ctx, api, f.ListRequest, users, func(u apiclient.UserList) error {
		if n++; n%apiclient.MaxBatch == 0 {
			task.Update("%d users", n)
		}
		if u.List == nil {
			// As text: the problem of one user does not determine the exit
			// code.
			without = append(without, fmt.Errorf("user %s: %s", u.UserID, u.Problem.Error()))
			return nil
		}
		return w.write(*u.List)
	})
	if err = cmp.Or(err, failed()); err != nil {
		task.Fail()
		err = app.ExplainVersion(err, f.Version)
		return errors.Join(append(without, err, buffered.Flush())...) // lists that are complete so far are printed
	}
	task.Done("%d users", n)
	return errors.Join(append(without, w.close(), buffered.Flush())...)
}

// printAnonymous prints the list of an anonymous user for recent clicks.
func printAnonymous(ctx context.Context, a *app.App, r apiclient.ListRequest) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	list, err := api.Recommend(ctx, r)
	if err != nil {
		return app.ExplainVersion(err, r.Version)
	}
	w := newListWriter(a, a.Out)
	return cmp.Or(w.write(list), w.close())
}

// ids yields the id on each line of in that is not blank. The second result is
// the error that ended it early, if any.
func ids(in sources.Input) (iter.Seq[string], func() error) {
	var err error
	seq := func(yield func(string) bool) {
		scanner := bufio.NewScanner(in)
		n := 1
		for ; scanner.Scan(); n++ {
			id := strings.TrimSpace(scanner.Text())
			if id == "" {
				continue
			}
			if err = recsys.CheckID("user", id); err != nil {
				break
			}
			if !yield(id) {
				return
			}
		}
		if err = cmp.Or(err, scanner.Err()); err != nil {
			err = fmt.Errorf("%s, line %d: %w", in.Name, n, err)
		}
	}
	return seq, func() error { return err }
}
