package rest

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// Change applies a change and writes its audit entry in one transaction, which
// change gets as tx. target is the target in the audit, also if the change is
// refused.
func (a *API) Change(ctx context.Context, target string, change func(tx *postgres.DB) error) error {
	c := callOf(ctx)
	c.target = target
	return a.ledger.Audited(ctx, ledger.Audit{
		Actor: c.principal.Actor(), Action: c.action, Target: target, Detail: c.reason, TraceID: c.traceID,
	}, change)
}

// recordTimeout bounds writing a refused change to the audit. The response is sent
// afterwards.
const recordTimeout = 2 * time.Second

// recordRefusal writes the audit entry of a refused change.
func (a *API) recordRefusal(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := a.ledger.Record(ctx, ledger.Audit{
		Actor: c.principal.Actor(), Action: c.action, Target: c.target, Outcome: ledger.NotDone,
		Code: c.problem.Code, Detail: c.problem.Detail, TraceID: c.traceID,
	})
	if err != nil {
		a.log.ErrorContext(ctx, "failed to record a refused request in the audit", "action", c.action, "code", c.problem.Code, "error", err)
	}
}
