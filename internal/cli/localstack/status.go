package localstack

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/local/stack"
)

// NewStatusCommand returns the command status.
func NewStatusCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the parts of the local stack, their addresses and uptime",
		Long:  "status exits with 1 if a part is not running.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := openStack(a)
			if err != nil {
				return err
			}
			parts := s.Status(cmd.Context())
			if err := a.Print(statusListing(parts)); err != nil {
				return err
			}
			return statusError(parts)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func statusListing(parts []stack.PartStatus) output.Listing {
	l := output.Listing{Columns: []string{"part", "state", "pid", "address", "uptime", "memory"}, JSON: parts}
	for _, p := range parts {
		row := []string{p.Part, p.State, "", p.Address, "", ""}
		if p.PID > 0 {
			row[2] = strconv.Itoa(p.PID)
			row[4] = p.Uptime.Round(time.Second).String()
			row[5] = fmt.Sprintf("%d MB", p.Memory/1_000_000)
		}
		l.Rows = append(l.Rows, row)
	}
	return l
}

// statusError names the parts that are not running and the reason, if known.
func statusError(parts []stack.PartStatus) error {
	var names, reasons []string
	for _, p := range parts {
		if p.State == stack.Running {
			continue
		}
		names = append(names, p.Part)
		if p.Detail != "" {
			reasons = append(reasons, "\n  "+p.Part+": "+p.Detail)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d parts are not running (%s); start them with `recflow up`%s",
		len(names), len(parts), strings.Join(names, ", "), strings.Join(reasons, ""))
}
