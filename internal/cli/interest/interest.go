// Package interest has the command interest: what an event says about a user's interest,
// and what that makes of the data.
package interest

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/recsys"
)

const interestLong = `Show and check what an event says about a user's interest in an item.

Each event type has a weight; a type without one trains nothing. A negative value,
such as the quantity of a return, takes back interest. The settings are part of a
training:

  recflow interest show --defaults > interest.yaml
  recflow interest check --interest interest.yaml
  recflow refresh --interest interest.yaml --wait
  recflow schedule set --interest interest.yaml`

// NewCommand returns the command interest.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "interest",
		Short: "Show and check the weights of event types",
		Long:  interestLong,
	}
	cmd.AddCommand(newShowCommand(a), newCheckCommand(a))
	return cmd
}

// current returns the interest of the scheduled trainings or, without a schedule, of the
// live version or, if none is live, the default, and where it comes from.
func current(ctx context.Context, api *apiclient.Client) (s recsys.InterestSettings, from string, err error) {
	schedule, _, err := api.Schedule(ctx)
	var p *apiclient.Problem
	unreadable := ""
	switch {
	case err == nil && schedule.Training != nil && schedule.Training.Interest != nil:
		s = *schedule.Training.Interest
		s.HalfLife = schedule.Training.HalfLife
		return s, "the schedule", nil
	case errors.As(err, &p) && p.Code == "temporal_unavailable":
		unreadable = "; the schedule cannot be read: " + p.Detail
	case err != nil && app.ExitCode(err) != app.ExitNotFound:
		return s, "", err
	}
	live, _, err := api.Live(ctx)
	if app.ExitCode(err) == app.ExitConflict {
		return recsys.DefaultInterest().Settings(), "the defaults, because no version is live" + unreadable, nil
	}
	if err != nil {
		return s, "", err
	}
	report, _, err := api.Version(ctx, live.Version.ID)
	return report.Interest.Settings(), fmt.Sprintf("live version %d%s", live.Version.ID, unreadable), err
}
