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
)

const scheduleLong = `Trains again by the clock.

Each run trains on the events before its start and makes a version, which goes
live when no gate refuses it. Runs do not overlap: one that is due while another
is under way is skipped. A run that was prevented, because everything was down, is
made up for within the catch-up window, and missed after it. A run that fails
pauses the schedule: see why with show, and go on with resume.`

// NewScheduleCommand returns the command schedule.
func NewScheduleCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Refresh by the clock: show, set, pause, resume, delete",
		Long:  scheduleLong,
	}
	cmd.AddCommand(newScheduleShowCommand(a), newScheduleSetCommand(a), newSchedulePauseCommand(a), newScheduleResumeCommand(a), newScheduleDeleteCommand(a))
	return cmd
}

func newScheduleShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show the schedule, its last runs and the next",
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
		Long: scheduleLong + "\n\nWhat is not named keeps its value, and a paused schedule stays paused until it is\n" +
			"resumed; --reset gives a setting its default again. The first schedule needs --cron\nor --every.",
		Example: "  recflow schedule set --cron \"0 3 * * *\" --jitter 10m\n" +
			"  recflow schedule set --every 24h --catch-up 12h --rank 128 --no-promote\n" +
			"  recflow schedule set --reset training,promote",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
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
				return app.UsageError(errors.New("say what to set: --cron or --every, or another setting of the present schedule"))
			}
			return setSchedule(cmd.Context(), a, c)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.Cron, "cron", "", "minute, hour, day of the month, month, day of the week, in UTC")
	flags.StringVar(&c.Every, "every", "", "so often: 24h, 7d")
	flags.StringVar(&c.Jitter, "jitter", "", "start each run up to so much later; 0s for no jitter")
	flags.StringVar(&c.CatchUp, "catch-up", "", "make up for a run that was prevented within this time (default: 12h)")
	flags.StringVar(&training.from, "from", "", "train on events from this time (2006-01-02 or RFC 3339)")
	flags.BoolVar(&noPromote, "no-promote", false, "leave the versions ready, not live")
	flags.StringSliceVar(&c.Reset, "reset", nil, "settings that take their defaults again: "+strings.Join(scheduleSettings, ", "))
	_ = cmd.RegisterFlagCompletionFunc("reset", cobra.FixedCompletions(scheduleSettings, cobra.ShellCompDirectiveNoFileComp))
	training.trainingFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("cron", "every")
	a.AddOutputFlag(cmd)
	return cmd
}

// scheduleSettings are those that --reset knows.
var scheduleSettings = []string{"jitter", "catch_up", "from", "promote", "note", "training"}

func setSchedule(ctx context.Context, a *app.App, c apiclient.ScheduleChange) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	_, etag, err := api.Schedule(ctx)
	switch {
	case app.ExitCode(err) == app.ExitNotFound && c.Cron == "" && c.Every == "":
		return app.UsageError(errors.New("there is no schedule yet; give --cron or --every"))
	case err != nil && app.ExitCode(err) != app.ExitNotFound:
		return app.ExplainAPI(err)
	}
	s, err := api.PutSchedule(ctx, etag, c)
	if err != nil {
		return app.ExplainAPI(err)
	}
	if s.Paused != nil && *s.Paused && !a.Quiet {
		fmt.Fprintln(a.Err, "the schedule is still paused; go on with `recflow schedule resume`")
	}
	return printSchedule(a, s)
}

func newSchedulePauseCommand(a *app.App) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     "pause",
		Short:   "Start nothing until resumed; a run under way goes on",
		Example: "  recflow schedule pause --note \"the catalogue moves\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paused := true
			return alterSchedule(cmd.Context(), a, apiclient.NewSchedule{Paused: &paused, Note: note})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for whoever looks")
	a.AddOutputFlag(cmd)
	return cmd
}

func newScheduleResumeCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Go on after a pause or a failure",
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
		Short:   "End the schedule; a run under way goes on",
		Example: "  recflow schedule delete",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSchedule(cmd.Context(), a, func(api *apiclient.Client, _ apiclient.Schedule, etag string) error {
				if err := api.DeleteSchedule(cmd.Context(), etag); err != nil {
					return app.ExplainAPI(err)
				}
				if !a.Quiet {
					fmt.Fprintln(a.Err, "nothing is scheduled any longer")
				}
				return nil
			})
		},
	}
}

// alterSchedule changes what n names of the present schedule.
func alterSchedule(ctx context.Context, a *app.App, n apiclient.NewSchedule) error {
	return withSchedule(ctx, a, func(api *apiclient.Client, _ apiclient.Schedule, etag string) error {
		s, err := api.PutSchedule(ctx, etag, apiclient.ScheduleChange{NewSchedule: n})
		if err != nil {
			return app.ExplainAPI(err)
		}
		return printSchedule(a, s)
	})
}

// withSchedule runs fn with the present schedule.
func withSchedule(ctx context.Context, a *app.App, fn func(api *apiclient.Client, s apiclient.Schedule, etag string) error) error {
	if err := a.CheckOutput(); err != nil {
		return err
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	s, etag, err := api.Schedule(ctx)
	if app.ExitCode(err) == app.ExitNotFound {
		return app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("%w; make one with `recflow schedule set --cron \"0 3 * * *\"`", err)}
	}
	if err != nil {
		return app.ExplainAPI(err)
	}
	return fn(api, s, etag)
}

func printSchedule(a *app.App, s apiclient.Schedule) error {
	if a.Output != "table" {
		return a.Print(output.Listing{Columns: []string{"fact", "value"}, Rows: scheduleFacts(s), JSON: s})
	}
	a.PrintSection("schedule of the refresh", output.Listing{Columns: []string{"fact", "value"}, Rows: scheduleFacts(s)})
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

// scheduleFacts are the lines of the schedule that are one value each.
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
		state = "overdue: a run should have started; look at `recflow status`"
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
		add("training", fmt.Sprintf("rank %d, %d iterations, alpha %g, regularization %g, half-life %s", t.Rank, t.Iterations, t.Alpha, t.Regularization, t.HalfLife))
	}
	if s.Promote != nil && !*s.Promote {
		add("promote", "no: versions are left ready")
	}
	add("runs", fmt.Sprintf("%d started, %d skipped because another was under way, %d missed", s.Started, s.Skipped, s.Missed))
	add("changed", output.Timestamp(s.ChangedAt.Truncate(time.Second)))
	return rows
}
