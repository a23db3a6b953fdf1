// Package demo demonstrates the whole system, one command after the other.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/sources"
)

const demoLong = `Start the local stack, import a real data set, train, check and promote a
version, and print recommendations; then send clicks through the stream and
show how the lists change. Every step is a command that you could type
yourself; it is printed before it runs.

Without --data it uses completejourney: 1.47 million purchase lines of 2,469
households in 2017. The data belong to 84.51° and are for demonstration only.
With --data it imports the file or folder you name, for example a MovieLens
folder or a CSV file with a user and an item column.

The stack keeps running afterwards. If a step fails, the demo stops what it
started.`

// demo runs commands and prints them.
type demo struct {
	*app.App
	run       func(context.Context, []string) int // runs a command line of recflow in this process
	stackIsUp func(context.Context, *app.App) bool
}

// NewCommand returns the command demo. run executes a command line and returns
// its exit code.
func NewCommand(a *app.App, run func(context.Context, []string) int, stackIsUp func(context.Context, *app.App) bool) *cobra.Command {
	d := &demo{a, run, stackIsUp}
	var data string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Demonstrate the whole system on real data",
		Long:  demoLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.all(cmd.Context(), data)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "file or folder to import instead of completejourney")
	return cmd
}

func (d *demo) all(ctx context.Context, data string) (err error) {
	began := time.Now()
	wasUp := d.stackIsUp(ctx, d.App)
	defer func() {
		if err != nil && !wasUp {
			fmt.Fprintln(d.Err, "\nthe demo did not finish; stopping what it started")
			// The context may be cancelled, so the stop gets a new one.
			d.run(context.WithoutCancel(ctx), []string{"down"})
		}
	}()

	importArgs := []string{"import", "completejourney", "--until", sources.DemoUntil}
	if data != "" {
		importArgs = []string{"import", data}
	}
	for _, args := range [][]string{{"up"}, importArgs} {
		if err := d.step(ctx, args...); err != nil {
			return err
		}
	}
	if err := d.backfill(ctx); err != nil {
		return err
	}

	users, items, last, err := d.subjects(ctx)
	if err != nil {
		return err
	}
	steps := [][]string{append([]string{"recommend", "-k", "10"}, users...)}
	for _, item := range items {
		steps = append(steps, []string{"similar", item, "-k", "5"})
	}
	for _, args := range steps {
		if err := d.step(ctx, args...); err != nil {
			return err
		}
	}
	if err := d.sendClicks(ctx, users[0], last, items); err != nil {
		return err
	}
	for _, args := range [][]string{{"stream", "status"}, {"status"}} {
		if err := d.step(ctx, args...); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.Err, "\nDone in %s. The stack is still running; see the run in the Temporal UI: %s\nStop it with `recflow down`.\n",
		time.Since(began).Round(time.Second), d.temporalUI())
	return nil
}

// backfill trains through the API, as an operator would: it starts a backfill
// with curl and follows it.
func (d *demo) backfill(ctx context.Context) error {
	c, err := d.ClientConfig()
	if err != nil {
		return err
	}
	const body = `{"kind": "refresh", "promote": true, "rerun": "all"}`
	fmt.Fprintf(d.Err, "\n$ curl -X POST %s/backfill -H \"Authorization: Bearer $RECFLOW_API_TOKEN\" -H 'Content-Type: application/json' -d '%s'\n", c.API.URL, body)
	// The token is passed on stdin: other users can read the arguments of a
	// process.
	curl := exec.CommandContext(ctx, "curl", "-sS", "--fail-with-body", "-X", "POST", c.API.URL+"/backfill",
		"-H", "@-", "-H", "Content-Type: application/json", "-d", body)
	curl.Stdin = strings.NewReader("Authorization: Bearer " + c.API.Token + "\n")
	curl.Stderr = d.Err
	out, err := curl.Output()
	if errors.Is(err, exec.ErrNotFound) { // curl was not run, so the API has no explanation
		api, _ := d.OpenAPI()
		var b apiclient.Backfill
		if b, err = api.StartBackfill(ctx, apiclient.NewBackfill{Kind: backfill.Refresh, Promote: true, Rerun: backfill.RerunAll}, ""); err == nil {
			out, err = json.Marshal(b)
		}
	}
	fmt.Fprintf(d.Out, "%s\n", out)
	if err != nil {
		return fmt.Errorf("start the training: %w", err)
	}
	var b apiclient.Backfill
	if err := json.Unmarshal(out, &b); err != nil {
		return fmt.Errorf("decode the response: %w", err)
	}
	if err := d.step(ctx, "backfill", "watch", b.ID); err != nil {
		return err
	}
	return d.step(ctx, "versions", "show")
}

// temporalUI returns the URL of the UI of the running system.
func (d *demo) temporalUI() string {
	c, err := d.ClientConfig()
	if err != nil {
		return ""
	}
	return c.Temporal.UI
}

// step prints a command line and runs it in this process.
func (d *demo) step(ctx context.Context, args ...string) error {
	fmt.Fprintf(d.Err, "\n$ recflow %s\n", strings.Join(args, " "))
	if d.Quiet {
		args = append(args, "--quiet")
	}
	if code := d.run(ctx, args); code != 0 {
		return app.ExitError{Code: code, Err: fmt.Errorf("`recflow %s` ended with exit code %d", args[0], code)}
	}
	return nil
}

// subjects returns three users and two popular items of the live version, and
// the time of the first user's last event.
func (d *demo) subjects(ctx context.Context) (users, items []string, last time.Time, err error) {
	api, err := d.OpenAPI()
	if err != nil {
		return nil, nil, last, err
	}
	live, _, err := api.Live(ctx)
	if err != nil {
		return nil, nil, last, app.ExplainAPI(err)
	}
	sample, err := api.SampleUsers(ctx, live.Version.ID, 3)
	if err != nil {
		return nil, nil, last, app.ExplainAPI(err)
	}
	for _, u := range sample.Items {
		users = append(users, u.UserID)
	}
	popular, err := api.Recommend(ctx, apiclient.ListRequest{K: 2, Version: live.Version.ID})
	if err != nil {
		return nil, nil, last, app.ExplainAPI(err)
	}
	items = itemIDs(popular)
	if len(users) == 0 || len(items) == 0 {
		return nil, nil, last, errors.New("the live version has no users or no items to show")
	}
	return users, items, sample.Items[0].LastEventAt, nil
}
