package streams

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

const replayLong = `Send the batches that the event source mapping gave up to the stream again, with
the partition keys and bytes that their records had. A batch that was sent is
marked and not sent again, and stays in the bucket. Events that were stored
before count once.

Objects with metadata only cannot be sent; their keys are printed.`

func newReplayCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay-failed",
		Short: "Send batches from the failure destination to the stream again",
		Long:  replayLong,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return replayFailed(cmd.Context(), a) },
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// replayFailed repeats the request until no batch remains.
func replayFailed(ctx context.Context, a *app.App) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	total := apiclient.Replayed{Remaining: true}
	for total.Remaining {
		r, err := api.ReplayFailed(ctx)
		if err != nil {
			if total.Batches > 0 {
				fmt.Fprintf(a.Err, "%d batches with %d records were sent before the error\n", total.Batches, total.Records)
			}
			return app.ExplainAPI(err)
		}
		total.Batches, total.Records = total.Batches+r.Batches, total.Records+r.Records
		total.Remaining, total.WithoutRecords = r.Remaining, r.WithoutRecords
	}
	for _, key := range total.WithoutRecords {
		fmt.Fprintln(a.Err, "no records in", key)
	}
	return a.Print(output.Listing{
		Columns: []string{"batches", "records"}, JSON: total,
		Rows: [][]string{{strconv.Itoa(total.Batches), strconv.Itoa(total.Records)}},
	})
}
