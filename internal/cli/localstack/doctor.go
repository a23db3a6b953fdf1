package localstack

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// NewDoctorCommand returns the command doctor.
func NewDoctorCommand(a *app.App) *cobra.Command {
	var where deployed
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the local stack, or a deployment on AWS, and report problems with their fixes",
		Long: `Check the requirements and the parts of the local stack. Nothing is changed.

With --aws or --terraform, check a deployment on AWS instead: your identity, bucket, stream, deliveries, function and mapping, training job,
services, alarms, permissions, and through the API the database, pgvector, Temporal and the live version. It reads only; when a permission
is missing it names the permission to add. Set RECFLOW_API_TOKEN to check the live version. It exits with 1 if a check fails.`,
		Example: `  recflow doctor
  terraform output -json | recflow doctor --aws -
  recflow doctor --terraform terraform/examples/complete -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if where.named() {
				return doctorAWS(cmd.Context(), a, where)
			}
			local, err := config.ReadLocal()
			if err != nil {
				return err
			}
			settings, err := stack.ReadSettings(local.Home)
			known := err == nil
			if errors.Is(err, stack.ErrNoHome) {
				settings = stack.NewSettings(stack.DefaultPorts(local.PortOffset))
			} else if err != nil {
				return err
			}
			tools, _ := toolchain.Installed(local.Cache) // doctor reports problems itself
			o, err := stackOptions(a, local, settings, tools)
			if err != nil {
				return err
			}
			checks := stack.Doctor(cmd.Context(), o, known)
			l := output.Listing{Columns: []string{"check", "state", "detail", "fix"}, JSON: checks}
			for _, c := range checks {
				l.Rows = append(l.Rows, []string{c.Name, c.State, c.Detail, c.Fix})
			}
			if err := a.Print(l); err != nil {
				return err
			}
			return stack.Healthy(checks)
		},
	}
	cmd.Flags().StringVar(&where.outputs, "aws", "", "check the deployment described by this `FILE`, the output of terraform output -json; - for standard input")
	cmd.Flags().StringVar(&where.dir, "terraform", "", "check the deployment that was applied in this directory")
	cmd.MarkFlagsMutuallyExclusive("aws", "terraform")
	a.AddOutputFlag(cmd)
	return cmd
}
