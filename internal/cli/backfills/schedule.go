package backfills

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

const scheduleLong = `Train on a schedule.

Each run trains on the events before its start and creates a version, which is
promoted if no gate refuses it. Runs do not overlap: a run that is due while another
one is running is skipped. A run that could not start on time, for example during an
outage, starts within the catch-up window, and is missed after it. A failed run
pauses the schedule: show prints why, and resume continues it.`

// NewScheduleCommand returns the command schedule.
func NewScheduleCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Refresh on a schedule: show, set, pause, resume, delete",
		Long:  scheduleLong,
	}
	cmd.AddCommand(newScheduleShowCommand(a), newScheduleSetCommand(a), newSchedulePauseCommand(a), newScheduleResumeCommand(a), newScheduleDeleteCommand(a))
	return cmd
}

func newScheduleShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show the schedule and its last and next runs",
		Example: "  recflow schedule show",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSchedule(cmd.Context(), a, func(_ *apiclient.Client, s apiclient.Schedule, _ string) error {
				return printSchedule(a, s)
			})
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newScheduleSetCommand(a *app.App) *cobra.Command {
	var c apiclient.ScheduleChange
	var training backfillFlags
	var noPromote bool
	cmd := &cobra.Command{
		Use:   "set --cron FIELDS|--every TIME",
		Short: "Create or change the schedule",
		Long: scheduleLong + "\n\nOther settings keep their values, and a paused schedule stays paused until it is\n" +
			"resumed; --reset restores the default of a setting. A new schedule needs --cron\nor --every.",
		Example: "  recflow schedule set --cron \"0 3 * * *\" --jitter 10m\n" +
			"  recflow schedule set --every 24h --catch-up 12h --rank 128 --no-promote\n" +
			"  recflow schedule set --interest interest.yaml\n" +
			"  recflow schedule set --reset training,promote",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := training.complete(cmd); err != nil {
				return app.UsageError(err)
			}
			c.From = training.request.From
			if !reflect.ValueOf(training.training).IsZero() {
				c.Training = &training.training
			}
			if cmd.Flags().Changed("no-promote") {
				promote := !noPromote
				c.Promote = &promote
			}
			if reflect.ValueOf(c).IsZero() {
				return app.UsageError(errors.New("nothing to set: pass --cron, --every, or another setting of the existing schedule"))
			}
			return setSchedule(cmd.Context(), a, c)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.Cron, "cron", "", "minute, hour, day of the month, month, day of the week, in UTC")
	flags.StringVar(&c.Every, "every", "", "interval: 24h, 7d")
	flags.StringVar(&c.Jitter, "jitter", "", "maximum random delay of each run; 0s for none")
	flags.StringVar(&c.CatchUp, "catch-up", "", "how late a run may start, for example after an outage (default: 12h)")
	flags.StringVar(&training.from, "from", "", "train on events from this time (2006-01-02 or RFC 3339)")
	flags.BoolVar(&noPromote, "no-promote", false, "do not promote the versions")
	flags.StringSliceVar(&c.Reset, "reset", nil, "settings to reset to their defaults: "+strings.Join(scheduleSettings, ", "))
	_ = cmd.RegisterFlagCompletionFunc("reset", cobra.FixedCompletions(scheduleSettings, cobra.ShellCompDirectiveNoFileComp))
	training.trainingFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("cron", "every")
	a.AddOutputFlag(cmd)
	return cmd
}

// scheduleSettings are the settings that --reset accepts.
var scheduleSettings = []string{"jitter", "catch_up", "from", "promote", "note", "training", "interest"}

func setSchedule(ctx context.Context, a *app.App, c apiclient.ScheduleChange) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	_, etag, err := api.Schedule(ctx)
	switch {
	case app.ExitCode(err) == app.ExitNotFound && c.Cron == "" && c.Every == "":
		return app.UsageError(errors.New("there is no schedule yet; pass --cron or --every"))
	case err != nil && app.ExitCode(err) != app.ExitNotFound:
		return app.ExplainAPI(err)
	}
	s, err := api.PutSchedule(ctx, etag, c)
	if err != nil {
		return app.ExplainAPI(err)
	}
	if s.Paused != nil && *s.Paused && !a.Quiet {
		fmt.Fprintln(a.Err, "the schedule is still paused; resume it with `recflow schedule resume`")
	}
	return printSchedule(a, s)
}

func newSchedulePauseCommand(a *app.App) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     "pause",
		Short:   "Pause the schedule; a running refresh continues",
		Example: "  recflow schedule pause --note \"the catalog is being migrated\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paused := true
			return alterSchedule(cmd.Context(), a, apiclient.NewSchedule{Paused: &paused, Note: note})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "reason of the pause")
	a.AddOutputFlag(cmd)
	return cmd
}

func newScheduleResumeCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Resume the schedule after a pause or a failure",
		Example: "  recflow schedule resume",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paused := false
			return alterSchedule(cmd.Context(), a, apiclient.NewSchedule{Paused: &paused})
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newScheduleDeleteCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "delete",
		Short:   "Delete the schedule; a running refresh continues",
		Example: "  recflow schedule delete",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSchedule(cmd.Context(), a, func(api *apiclient.Client, _ apiclient.Schedule, etag string) error {
				if err := api.DeleteSchedule(cmd.Context(), etag); err != nil {
					return app.ExplainAPI(err)
				}
				if !a.Quiet {
					fmt.Fprintln(a.Err, "the schedule was deleted")
				}
				return nil
			})
		},
	}
}

// alterSchedule changes the settings of the current schedule that n names.
func alterSchedule(ctx context.Context, a *app.App, n apiclient.NewSchedule) error {
	return withSchedule(ctx, a, func(api *apiclient.Client, _ apiclient.Schedule, etag string) error {
		s, err := api.PutSchedule(ctx, etag, apiclient.ScheduleChange{NewSchedule: n})
		if err != nil {
			return app.ExplainAPI(err)
		}
		return printSchedule(a, s)
	})
}

// withSchedule runs fn with the current schedule.
func withSchedule(ctx context.Context, a *app.App, fn func(api *apiclient.Client, s apiclient.Schedule, etag string) error) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	s, etag, err := api.Schedule(ctx)
	if app.ExitCode(err) == app.ExitNotFound {
		return app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("%w; create one with `recflow schedule set --cron \"0 3 * * *\"`", err)}
	}
	if err != nil {
		return app.ExplainAPI(err)
	}
	return fn(api, s, etag)
}

func printSchedule(a *app.App, s apiclient.Schedule) error {
	if a.Output != "table" {
		return a.Print(output.Listing{Columns: []string{"field", "value"}, Rows: scheduleFacts(s), JSON: s})
	}
	a.PrintSection("schedule of the refresh", output.Listing{Columns: []string{"field", "value"}, Rows: scheduleFacts(s)})
	if len(s.Runs) > 0 {
		fmt.Fprintln(a.Out)
	}
	runs := output.Listing{Columns: []string{"due_at", "started_at", "outcome", "version", "detail", "workflow_id"}}
	for _, r := range s.Runs {
		version := ""
		if r.Version > 0 {
			version = strconv.FormatInt(r.Version, 10)
		}
		runs.Rows = append(runs.Rows, []string{output.Timestamp(r.DueAt), output.Timestamp(r.StartedAt), r.Outcome, version, r.Detail, r.WorkflowID})
	}
	a.PrintSection("last runs", runs)
	return nil
}

// scheduleFacts are the settings of the schedule that have a single value.
func scheduleFacts(s apiclient.Schedule) [][]string {
	when := "every " + s.Every
	if s.Cron != "" {
		when = "cron " + s.Cron + " (UTC)"
	}
	state := "on"
	paused := s.Paused != nil && *s.Paused
	switch {
	case paused && s.Note != "":
		state = "paused: " + s.Note
	case paused:
		state = "paused"
	case s.Overdue:
		state = "overdue: a run should have started; check `recflow status`"
	}
	rows := [][]string{{"when", when}, {"state", state}}
	add := func(fact, value string) {
		if value != "" {
			rows = append(rows, []string{fact, value})
		}
	}
	var next []string
	for _, at := range s.Next[:min(3, len(s.Next))] {
		next = append(next, output.Timestamp(at))
	}
	add("next", strings.Join(next, ", "))
	add("jitter", s.Jitter)
	add("catch-up", s.CatchUp)
	if t := s.Training; t != nil {
		add("training", trainingText(t))
		add("interest", interestText(t))
	}
	if s.Promote != nil && !*s.Promote {
		add("promote", "no: versions are left ready")
	}
	add("runs", fmt.Sprintf("%d started, %d skipped because another one was running, %d missed", s.Started, s.Skipped, s.Missed))
	add("changed", output.Timestamp(s.ChangedAt.Truncate(time.Second)))
	return rows
}

// trainingText lists the trainer and the settings that are not its defaults.
func trainingText(t *apiclient.Training) string {
	settings := recsys.Training{
		Trainer: t.Trainer, Rank: t.Rank, Iterations: t.Iterations, Alpha: t.Alpha, Regularization: t.Regularization,
		RegularizationExponent: t.RegularizationExponent,
	}
	if t.Seed != nil {
		settings.Seed = *t.Seed
	}
	return settings.String() + ", half-life " + t.HalfLife
}

// interestText lists the interest of the trainings.
func interestText(t *apiclient.Training) string {
	if t.Interest == nil {
		return ""
	}
	s := *t.Interest
	s.HalfLife = t.HalfLife
	in, err := s.Interest()
	if err != nil {
		return err.Error()
	}
	return output.Interest(in)
}
