package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

func (a *app) versionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "versions",
		Short: "List, inspect, compare, promote and roll back versions",
	}
	cmd.AddCommand(
		a.versionsListCommand(),
		a.versionsShowCommand(),
		a.versionsPromoteCommand(),
		a.versionsRollbackCommand(),
		a.versionsPinCommand("pin", "Keep a version when old ones are removed", true),
		a.versionsPinCommand("unpin", "Let a version be removed again", false),
		a.versionsDeleteCommand(),
		a.versionsDiffCommand(),
	)
	return cmd
}

func (a *app) versionsListCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List versions, newest first",
		Example: "  recflow versions list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(store *vectorstore.Store) error {
				versions, err := store.Versions(cmd.Context(), limit)
				if err != nil {
					return err
				}
				return a.print(versionListing(versions))
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "most versions to list")
	a.addOutputFlag(cmd)
	return cmd
}

func versionListing(versions []recsys.Version) listing {
	if versions == nil {
		versions = []recsys.Version{}
	}
	l := listing{
		columns: []string{"version", "state", "live", "pinned", "items", "users", "dimension", "search", "covers_to", "created_at", "run_id"},
		json:    versions,
	}
	for _, v := range versions {
		live := mark(v.Live)
		if v.Evaluation && !v.Live {
			live = "evaluation"
		}
		l.rows = append(l.rows, []string{
			strconv.FormatInt(v.ID, 10), string(v.State), live, mark(v.Pinned),
			strconv.FormatInt(v.Items, 10), strconv.FormatInt(v.Users, 10), strconv.Itoa(v.Dimension),
			v.Search.Method, stamp(v.Coverage.To), stamp(v.CreatedAt), v.RunID,
		})
	}
	return l
}

// withStore runs fn with the database of the running system.
func (a *app) withStore(ctx context.Context, fn func(*vectorstore.Store) error) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return fn(store)
}

func versionArgument(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, exitError{2, fmt.Errorf("%q is not the number of a version; see `recflow versions list`", arg)}
	}
	return id, nil
}

func noSuchVersion(id int64) error {
	return exitError{exitNotFound, fmt.Errorf("there is no version %d; see `recflow versions list`", id)}
}

func mark(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// stamp writes a time for people, to the second.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
