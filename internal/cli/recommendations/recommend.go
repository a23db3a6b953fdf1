// Package recommendations has the commands that ask for lists: recommend, similar
// and explain.
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

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

const recommendLong = `Prints what the live version recommends to each user. Items that a user has
met are left out.

A list names its stage: personalised (a trained user, with or without new
events), session (a new user, from live events alone) or popular (nothing that
counts is known).

With --recent the list follows items that were clicked just now, as if their
clicks had come through the stream; nothing is kept of them. Without a user it is
made of them alone.

With --watch it stays, and prints the list of one user again whenever it
changes, with what moved. The id of a list names the state it was made from. With
-o json each list is one line. Ctrl-C ends it.`

// recommendFlags are the ways to ask for lists.
type recommendFlags struct {
	recommend.Request
	file  string // one user id a line; - for stdin
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
			if err := a.CheckOutput(); err != nil {
				return err
			}
			if f.watch {
				return watchList(cmd.Context(), a, f.Request, args[0])
			}
			return printLists(cmd.Context(), a, f, args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.K, "k", "k", 10, "length of a list")
	flags.StringVar(&f.Category, "category", "", "only items of this category")
	flags.StringArrayVar(&f.Tags, "tag", nil, "only items with this tag; may be repeated")
	flags.StringVar(&f.file, "users", "", "file with one user id a line; - for stdin")
	flags.Int64Var(&f.Version, "version", 0, "read this version in place of the live one")
	flags.BoolVar(&f.watch, "watch", false, "print the list of one user again whenever it changes")
	flags.BoolVar(&f.IncludeSeen, "include-seen", false, "also list items that the user has met")
	flags.StringArrayVar(&f.Recent, "recent", nil, "an item clicked just now; may be repeated")
	flags.StringArrayVar(&f.Exclude, "exclude", nil, "an item to leave out; may be repeated")
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
	return f.Check()
}

func printLists(ctx context.Context, a *app.App, f recommendFlags, args []string) error {
	if len(args) == 0 {
		args = []string{""} // nobody in particular, after what was clicked just now
	}
	users, failed := slices.Values(args), func() error { return nil }
	if f.file != "" {
		in, err := sources.OpenInput(a, f.file)
		if err != nil {
			return err
		}
		defer in.Close()
		users, failed = ids(in)
	}
	store, err := database.Open(ctx, a)
	if err != nil {
		return err
	}
	defer store.Close()

	buffered := bufio.NewWriter(a.Out)
	w := newListWriter(a, buffered)
	r := recommend.Recommender{Store: store}
	if f.file == "" {
		err = r.RecommendMany(ctx, f.Request, users, w.write)
	} else {
		task := a.Progress().Start("recommend", "starting")
		n := 0
		err = r.RecommendMany(ctx, f.Request, users, func(l recommend.List) error {
			if n++; n%100 == 0 {
				task.Update("%d users", n)
			}
			return w.write(l)
		})
		if err == nil {
			err = failed()
		}
		if err != nil {
			task.Fail()
		} else {
			task.Done("%d users", n)
		}
	}
	if err != nil {
		return app.ExplainVersion(errors.Join(err, buffered.Flush()), f.Version) // what is complete so far is printed
	}
	if err := w.close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// ids yields the id on each line of in that is not blank. The second result is the
// error that ended them early, if any.
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
