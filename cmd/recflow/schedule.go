package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
)

const scheduleLong = `Trains again by the clock.

Each run trains on the events before its start and makes a version, which goes
live when no gate refuses it. Runs do not overlap: one that is due while another
is under way is skipped. A run that was prevented, because everything was down, is
made up for within the catch-up window, and missed after it. A run that fails
pauses the schedule: see why with show, and go on with resume.`

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Refresh by the clock: show, set, pause, resume, delete",
		Long:  scheduleLong,
	}
	cmd.AddCommand(a.scheduleShowCommand(), a.scheduleSetCommand(), a.schedulePauseCommand(), a.scheduleResumeCommand(), a.scheduleDeleteCommand())
	return cmd
}

func (a *app) scheduleShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show the schedule, its last runs and the next",
		Example: "  recflow schedule show",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchedule(cmd.Context(), func(_ *apiclient.Client, s apiclient.Schedule, _ string) error {
				return a.printSchedule(s)
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) scheduleSetCommand() *cobra.Command {
	var n apiclient.NewSchedule
	var training backfillFlags
	var noPromote bool
	cmd := &cobra.Command{
		Use:   "set --cron FIELDS|--every TIME",
		Short: "Make the schedule, or replace the whole of it",
		Long:  scheduleLong + "\n\nWhat is not given is the default, not what was before.",
		Example: "  recflow schedule set --cron \"0 3 * * *\" --jitter 10m\n" +
			"  recflow schedule set --every 24h --catch-up 12h --rank 128 --no-promote",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if err := training.complete(cmd); err != nil {
				return exitError{exitUsage, err}
			}
			n.From, n.Training = training.request.From, training.request.Training
			promote := !noPromote
			n.Promote = &promote
			return a.setSchedule(cmd.Context(), n)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.Cron, "cron", "", "minute, hour, day of the month, month, day of the week, in UTC")
	flags.StringVar(&n.Every, "every", "", "so often: 24h, 7d")
	flags.StringVar(&n.Jitter, "jitter", "", "start each run up to so much later")
	flags.StringVar(&n.CatchUp, "catch-up", "", "make up for a run that was prevented within this time (default: 12h)")
	flags.StringVar(&training.from, "from", "", "train on events from this time (2006-01-02 or RFC 3339)")
	flags.BoolVar(&noPromote, "no-promote", false, "leave the versions ready, not live")
	training.trainingFlags(cmd)
	cmd.MarkFlagsOneRequired("cron", "every")
	cmd.MarkFlagsMutuallyExclusive("cron", "every")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) setSchedule(ctx context.Context, n apiclient.NewSchedule) error {
	api, err := a.openAPI()
	if err != nil {
		return err
	}
	_, etag, err := api.Schedule(ctx)
	if err != nil && exitCode(err) != exitNotFound {
		return explainAPI(err)
	}
	s, err := api.PutSchedule(ctx, etag, n)
	if err != nil {
		return explainAPI(err)
	}
	return a.printSchedule(s)
}

func (a *app) schedulePauseCommand() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     "pause",
		Short:   "Start nothing until resumed; a run under way goes on",
		Example: "  recflow schedule pause --note \"the catalogue moves\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.alterSchedule(cmd.Context(), func(n *apiclient.NewSchedule) { n.Paused, n.Note = true, note })
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for whoever looks")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) scheduleResumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Go on after a pause or a failure",
		Example: "  recflow schedule resume",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.alterSchedule(cmd.Context(), func(n *apiclient.NewSchedule) { n.Paused, n.Note = false, "" })
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) scheduleDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "delete",
		Short:   "End the schedule; a run under way goes on",
		Example: "  recflow schedule delete",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchedule(cmd.Context(), func(api *apiclient.Client, _ apiclient.Schedule, etag string) error {
				if err := api.DeleteSchedule(cmd.Context(), etag); err != nil {
					return explainAPI(err)
				}
				if !a.quiet {
					fmt.Fprintln(a.err, "nothing is scheduled any longer")
				}
				return nil
			})
		},
	}
}

// alterSchedule changes a part of the schedule.
func (a *app) alterSchedule(ctx context.Context, change func(*apiclient.NewSchedule)) error {
	return a.withSchedule(ctx, func(api *apiclient.Client, s apiclient.Schedule, etag string) error {
		change(&s.NewSchedule)
		s, err := api.PutSchedule(ctx, etag, s.NewSchedule)
		if err != nil {
			return explainAPI(err)
		}
		return a.printSchedule(s)
	})
}

// withSchedule runs fn with the present schedule.
func (a *app) withSchedule(ctx context.Context, fn func(api *apiclient.Client, s apiclient.Schedule, etag string) error) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	api, err := a.openAPI()
	if err != nil {
		return err
	}
	s, etag, err := api.Schedule(ctx)
	if exitCode(err) == exitNotFound {
		return exitError{exitNotFound, fmt.Errorf("%w; make one with `recflow schedule set --cron \"0 3 * * *\"`", err)}
	}
	if err != nil {
		return explainAPI(err)
	}
	return fn(api, s, etag)
}

func (a *app) printSchedule(s apiclient.Schedule) error {
	if a.output != "table" {
		return a.print(listing{columns: []string{"fact", "value"}, rows: scheduleFacts(s), json: s})
	}
	a.printSection("schedule of the refresh", listing{columns: []string{"fact", "value"}, rows: scheduleFacts(s)})
	if len(s.Runs) > 0 {
		fmt.Fprintln(a.out)
	}
	runs := listing{columns: []string{"due_at", "started_at", "outcome", "version", "detail", "workflow_id"}}
	for _, r := range s.Runs {
		version := ""
		if r.Version > 0 {
			version = strconv.FormatInt(r.Version, 10)
		}
		runs.rows = append(runs.rows, []string{stamp(r.DueAt), stamp(r.StartedAt), r.Outcome, version, r.Detail, r.WorkflowID})
	}
	a.printSection("last runs", runs)
	return nil
}

// scheduleFacts are the lines of the schedule that are one value each.
func scheduleFacts(s apiclient.Schedule) [][]string {
	when := "every " + s.Every
	if s.Cron != "" {
		when = "cron " + s.Cron + " (UTC)"
	}
	state := "on"
	switch {
	case s.Paused && s.Note != "":
		state = "paused: " + s.Note
	case s.Paused:
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
		next = append(next, stamp(at))
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
	add("changed", stamp(s.ChangedAt.Truncate(time.Second)))
	return rows
}
