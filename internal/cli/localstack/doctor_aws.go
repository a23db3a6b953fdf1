package localstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsdoctor"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/config"
)

// deployed is the source of Terraform's outputs.
type deployed struct {
	outputs string // a file, or - for standard input
	dir     string // directory of the applied configuration
}

func (d deployed) named() bool { return d.outputs != "" || d.dir != "" }

// doctorAWS checks a deployment.
func doctorAWS(ctx context.Context, a *app.App, where deployed) error {
	data, err := readOutputs(ctx, a, where)
	if err != nil {
		return err
	}
	deployment, err := awsdoctor.ReadDeployment(data)
	if err != nil {
		return err
	}
	c, err := config.ReadClient(nil) // independent of the local stack
	if err != nil {
		return err
	}
	aws, own, err := awsSettings(ctx, deployment.Region)
	if err != nil {
		return err
	}
	doctor := awsdoctor.New(aws.SDK(), deployment)
	doctor.Region = own
	doctor.Token = c.API.Token != ""
	doctor.API = apiclient.New(apiclient.Options{URL: deployment.APIURL, Token: c.API.Token})
	checks := doctor.Examine(ctx)
	if err := printChecks(a, checks); err != nil {
		return err
	}
	return awsdoctor.Healthy(checks)
}

// awsSettings returns the caller's AWS environment and the region it sets. If it
// sets none, the deployment's region is used.
func awsSettings(ctx context.Context, region string) (c awsclient.Config, own string, err error) {
	if c, err = awsclient.Load(ctx, awsclient.Options{}); err == nil {
		return c, c.SDK().Region, nil
	}
	c, err = awsclient.Load(ctx, awsclient.Options{Region: region})
	return c, "", err
}

// readOutputs reads Terraform's outputs.
func readOutputs(ctx context.Context, a *app.App, d deployed) ([]byte, error) {
	if d.outputs != "" {
		in, err := sources.OpenInput(a, d.outputs)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return io.ReadAll(in)
	}
	out, err := exec.CommandContext(ctx, "terraform", "-chdir="+d.dir, "output", "-json").Output()
	var failed *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("terraform is not installed here; run `terraform output -json` where it is installed, and pass the output with --aws")
	case errors.As(err, &failed):
		return nil, fmt.Errorf("terraform output in %s: %w: %s", d.dir, err, strings.TrimSpace(string(failed.Stderr)))
	}
	return out, err
}

// printChecks prints a line for each check and, below a failed one, its fix.
func printChecks(a *app.App, checks []awsdoctor.Check) error {
	if a.Output != "table" {
		l := output.Listing{Columns: []string{"check", "state", "detail", "fix"}, JSON: checks}
		for _, c := range checks {
			l.Rows = append(l.Rows, []string{c.Name, c.State, c.Detail, c.Fix})
		}
		return a.Print(l)
	}
	marks := map[string]string{awsdoctor.OK: "✓", awsdoctor.Fail: "✗", awsdoctor.Skip: "–"}
	for _, c := range checks {
		fmt.Fprintf(a.Out, "%s %-27s %s\n", marks[c.State], c.Name, output.Escape(c.Detail))
		if c.Fix != "" {
			fmt.Fprintf(a.Out, "  %-27s → %s\n", "", c.Fix)
		}
	}
	return nil
}
