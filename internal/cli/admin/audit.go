package admin

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

// NewAuditCommand returns the command audit.
func NewAuditCommand(a *app.App) *cobra.Command {
	q := apiclient.AuditQuery{}
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who requested which changes, including refused requests",
		Example: "  recflow audit --action version. --since 24h\n" +
			"  recflow audit --outcome refused -o json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since < 0 || q.Limit < 1 {
				return app.UsageError(fmt.Errorf("--since and --limit must be positive"))
			}
			if since > 0 {
				q.Since = time.Now().Add(-since)
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			wanted, entries := q.Limit, []apiclient.Audit{}
			for len(entries) < wanted {
				q.Limit = min(200, wanted-len(entries))
				page, err := api.Audit(cmd.Context(), q)
				if err != nil {
					return app.ExplainAPI(err)
				}
				entries = append(entries, page.Items...)
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			return a.Print(auditListing(entries))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Action, "action", "", "only this action; with a trailing dot all actions with that prefix, such as version.")
	flags.StringVar(&q.Actor, "actor", "", "only requests of this actor, such as token:ops")
	flags.StringVar(&q.Outcome, "outcome", "", "only requests with this outcome: done or refused")
	flags.DurationVar(&since, "since", 0, "only requests since this long ago, such as 24h")
	flags.IntVar(&q.Limit, "limit", 50, "maximum number of entries")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions([]string{"done", "refused"}, cobra.ShellCompDirectiveNoFileComp))
	a.AddOutputFlag(cmd)
	return cmd
}

func auditListing(entries []apiclient.Audit) output.Listing {
	l := output.Listing{Columns: []string{"id", "at", "actor", "action", "target", "outcome", "code", "detail", "trace_id"}, JSON: entries}
	for _, e := range entries {
		l.Rows = append(l.Rows, []string{strconv.FormatInt(e.ID, 10), output.Timestamp(e.At), e.Actor, e.Action, e.Target, e.Outcome, e.Code, e.Detail, e.TraceID})
	}
	return l
}
