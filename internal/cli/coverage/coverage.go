// Package coverage has the command coverage: what trainings are compared with, and what
// to do when an event or a database was lost.
package coverage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

const coverageLong = `Show what trainings are compared with, and repair it.

Every training must read exactly the streamed events that Postgres has. They are
compared from a baseline: the coverage of the version that was live when the
training started. If they differ, the gate coverage refuses the version.

  events are in Postgres and not in raw/events   recflow coverage redeliver
  Postgres was restored or created anew          recflow coverage accept
  objects of raw/events were deleted on purpose  recflow coverage accept`

// NewCommand returns the command coverage.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "Show what trainings are compared with, and repair it",
		Long:  coverageLong,
	}
	cmd.AddCommand(newShowCommand(a), newAcceptCommand(a), newRedeliverCommand(a))
	return cmd
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what the next training is compared with",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			c, err := api.Coverage(cmd.Context())
			if err != nil {
				return app.ExplainAPI(err)
			}
			return print(a, c)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

const acceptLong = `Accept the streamed events that are in raw/events as they are. Later trainings are
compared from this time on.

Events that are in Postgres and not in the bucket are then lost: no training reads
them, and the next version is considered to cover them. Run
` + "`recflow coverage redeliver`" + ` first.`

func newAcceptCommand(a *app.App) *cobra.Command {
	var before, reason string
	cmd := &cobra.Command{
		Use:     "accept",
		Short:   "Accept the streamed events of the bucket, after a restore or a deletion",
		Long:    acceptLong,
		Example: "  recflow coverage accept --reason \"Postgres restored from the snapshot of Monday\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := apiclient.AcceptCoverage{Reason: reason}
			if before != "" {
				var err error
				if in.StoredBefore, err = time.Parse(time.RFC3339, before); err != nil {
					return app.UsageError(fmt.Errorf("--stored-before %q is not an RFC 3339 time such as 2026-01-31T03:00:00Z", before))
				}
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			c, err := api.AcceptCoverage(cmd.Context(), in)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return print(a, c)
		},
	}
	cmd.Flags().StringVar(&before, "stored-before", "", "accept events stored before this RFC 3339 time (default now)")
	requireReason(cmd, &reason)
	a.AddOutputFlag(cmd)
	return cmd
}

func newRedeliverCommand(a *app.App) *cobra.Command {
	var reason string
	var wait bool
	cmd := &cobra.Command{
		Use:   "redeliver",
		Short: "Write stored events that are not in the bucket there",
		Long: "Compare the events in Postgres with raw/events and write those that are missing, so that\n" +
			"the next training reads them. Events of the last 15 minutes are left alone: they may be on\n" +
			"their way.",
		Example: "  recflow coverage redeliver --reason \"gate coverage refused version 12\" --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			r, err := api.Redeliver(cmd.Context(), apiclient.Redeliver{Reason: reason})
			if err != nil {
				return app.ExplainAPI(err)
			}
			if wait {
				if r, err = await(cmd.Context(), a, api, r); err != nil {
					return err
				}
			}
			if err := a.Print(output.Listing{Columns: []string{"field", "value"}, Rows: redeliveryRows(r), JSON: r}); err != nil {
				return err
			}
			if r.State == "failed" {
				return errors.New("the redelivery failed; " + r.Error)
			}
			return nil
		},
	}
	requireReason(cmd, &reason)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it has ended")
	a.AddOutputFlag(cmd)
	return cmd
}

func requireReason(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "reason, for the audit")
	_ = cmd.MarkFlagRequired("reason") // the flag exists
}

const pollEvery = time.Second

// await polls until the redelivery has ended.
func await(ctx context.Context, a *app.App, api *apiclient.Client, r apiclient.Redelivery) (apiclient.Redelivery, error) {
	fmt.Fprintln(a.Err, "comparing the stored events with the bucket")
	for r.State == "running" {
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(pollEvery):
		}
		c, err := app.Unthrottled(ctx, func() (apiclient.CoverageReport, error) { return api.Coverage(ctx) })
		if err != nil {
			return r, app.ExplainAPI(err)
		}
		if c.Redelivery != nil {
			r = *c.Redelivery
		}
	}
	return r, nil
}

func print(a *app.App, c apiclient.CoverageReport) error {
	rows := [][]string{{"baseline", baselineText(c.Baseline)}}
	if !c.AcceptedBefore.IsZero() {
		rows = append(rows, []string{"accepted", "stored before " + output.Timestamp(c.AcceptedBefore)})
	}
	rows = append(rows, []string{"events", output.Count(c.Events) + " in Postgres since the baseline"})
	if c.Redelivery != nil {
		rows = append(rows, redeliveryRows(*c.Redelivery)...)
	}
	return a.Print(output.Listing{Columns: []string{"field", "value"}, Rows: rows, JSON: c})
}

func baselineText(b recsys.Baseline) string {
	switch {
	case b.StoredTo.IsZero():
		return "none: all streamed events are compared"
	case b.Version == 0:
		return "events stored before " + output.Timestamp(b.StoredTo)
	}
	return fmt.Sprintf("version %d: events before %s, stored before %s", b.Version, output.Timestamp(b.To), output.Timestamp(b.StoredTo))
}

func redeliveryRows(r apiclient.Redelivery) [][]string {
	text := r.State + ", started " + output.Timestamp(r.StartedAt)
	if r.State == "succeeded" {
		text += fmt.Sprintf(": %d of %d events were not in the bucket", r.Redelivered, r.Stored)
	}
	rows := [][]string{{"redelivery", text}}
	for _, key := range r.Damaged {
		rows = append(rows, []string{"damaged object", output.Escape(key)})
	}
	return rows
}
