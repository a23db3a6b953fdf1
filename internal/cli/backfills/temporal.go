package backfills

import (
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
)

// openTemporal connects to the Temporal service of the running system.
func openTemporal(ctx context.Context, a *app.App) (client.Client, config.Temporal, error) {
	c, err := a.ClientConfig()
	if err != nil {
		return nil, config.Temporal{}, err
	}
	if c.Temporal.Address == "" {
		return nil, c.Temporal, a.NotConfigured("RECFLOW_TEMPORAL_ADDRESS")
	}
	options, err := temporalOptions(c.Temporal)
	if err != nil {
		return nil, c.Temporal, err
	}
	dial, cancel := context.WithTimeout(ctx, app.ConnectTimeout)
	defer cancel()
	t, err := client.DialContext(dial, options)
	if err != nil && ctx.Err() == nil {
		return nil, c.Temporal, fmt.Errorf("Temporal at %s does not answer; start the local stack with `recflow up`: %w", c.Temporal.Address, err)
	}
	return t, c.Temporal, err
}

// temporalOptions say how a command reaches Temporal. What a person's environment
// says of another Temporal is not for the local stack's.
func temporalOptions(c config.Temporal) (client.Options, error) {
	quiet := tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)) // its errors come back to us
	if own, err := config.ReadClient(nil); err == nil && own.Temporal.Address == "" {
		return temporalconfig.Plain(c, quiet), nil
	}
	return temporalconfig.Options(c, quiet)
}
