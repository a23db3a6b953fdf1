package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/importer"
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

func (a *app) recommendCommand() *cobra.Command {
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
				return exitError{2, err}
			}
			if err := a.checkOutput(); err != nil {
				return err
			}
			if f.watch {
				return a.watchList(cmd.Context(), f.Request, args[0])
			}
			return a.recommend(cmd.Context(), f, args)
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
	a.addOutputFlag(cmd)
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

func (a *app) recommend(ctx context.Context, f recommendFlags, args []string) error {
	if len(args) == 0 {
		args = []string{""} // nobody in particular, after what was clicked just now
	}
	users, failed := slices.Values(args), func() error { return nil }
	if f.file != "" {
		in, err := a.openInput(f.file)
		if err != nil {
			return err
		}
		defer in.Close()
		users, failed = ids(in)
	}
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()

	buffered := bufio.NewWriter(a.out)
	w := a.newListWriter(buffered)
	r := recommend.Recommender{Store: store}
	if f.file == "" {
		err = r.RecommendMany(ctx, f.Request, users, w.write)
	} else {
		task := a.progress().Start("recommend", "starting")
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
		return explainVersion(errors.Join(err, buffered.Flush()), f.Version) // what is complete so far is printed
	}
	if err := w.close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// input is a text file that was opened, or standard input.
type input struct {
	io.Reader
	io.Closer
	name string // for messages
}

// openInput opens a text file; - is standard input. A byte order mark before the
// text is left out.
func (a *app) openInput(path string) (in input, err error) {
	in = input{Reader: a.in, Closer: io.NopCloser(nil), name: "standard input"}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return in, err
		}
		in = input{f, f, path}
	}
	if in.Reader, err = importer.Text(in.Reader); err != nil {
		in.Close()
		return in, fmt.Errorf("%s: %w", in.name, err)
	}
	return in, nil
}

// ids yields the id on each line of in that is not blank. The second result is the
// error that ended them early, if any.
func ids(in input) (iter.Seq[string], func() error) {
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
			err = fmt.Errorf("%s, line %d: %w", in.name, n, err)
		}
	}
	return seq, func() error { return err }
}
