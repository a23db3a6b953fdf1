package main

import (
	"context"
	"errors"
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
		Short: "List, inspect, promote and roll back versions",
	}
	cmd.AddCommand(
		a.versionsListCommand(),
		a.versionsShowCommand(),
		a.versionsPromoteCommand(),
		a.versionsRollbackCommand(),
		a.versionsPinCommand("pin", "Keep a version when old ones are removed", true),
		a.versionsPinCommand("unpin", "Let a version be removed again", false),
	)
	return cmd
}

func (a *app) versionsListCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List versions, newest first",
		Args:  cobra.NoArgs,
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

func (a *app) versionsPromoteCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "promote VERSION",
		Short: "Make a ready version live",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := versionArgument(args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(store *vectorstore.Store) error {
				live, err := store.Promote(cmd.Context(), vectorstore.Promotion{Version: id, Actor: actor(), Reason: reason})
				if errors.Is(err, recsys.ErrNotFound) {
					return noSuchVersion(id)
				}
				if err != nil {
					return fmt.Errorf("%w; see `recflow versions show %d`", err, id)
				}
				return a.printLive(live)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsRollbackCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Make the version live that was live before",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(store *vectorstore.Store) error {
				live, err := store.Rollback(cmd.Context(), actor(), reason)
				if err != nil {
					return explain(err)
				}
				return a.printLive(live)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsPinCommand(name, short string, pinned bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name + " VERSION",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := versionArgument(args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(store *vectorstore.Store) error {
				err := store.Pin(cmd.Context(), id, pinned)
				if errors.Is(err, recsys.ErrNotFound) {
					return noSuchVersion(id)
				}
				if err != nil {
					return err
				}
				v, err := store.Version(cmd.Context(), id)
				if err != nil {
					return err
				}
				return a.print(versionListing([]recsys.Version{v}))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
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

// printLive says which version is live now.
func (a *app) printLive(live vectorstore.Live) error {
	v := live.Version
	return a.print(listing{
		columns: []string{"live", "revision", "run_id", "items", "users", "covers_to"},
		rows: [][]string{{
			strconv.FormatInt(v.ID, 10), strconv.FormatInt(live.Revision, 10), v.RunID,
			strconv.FormatInt(v.Items, 10), strconv.FormatInt(v.Users, 10), stamp(v.Coverage.To),
		}},
		json: struct {
			Version  recsys.Version `json:"version"`
			Revision int64          `json:"revision"`
		}{v, live.Revision},
	})
}

func versionArgument(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, exitError{2, fmt.Errorf("%q is not the number of a version; see `recflow versions list`", arg)}
	}
	return id, nil
}

func noSuchVersion(id int64) error {
	return fmt.Errorf("there is no version %d; see `recflow versions list`", id)
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
