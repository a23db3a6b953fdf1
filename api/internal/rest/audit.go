package rest

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// Change makes a change and its entry in the audit in one transaction: change
// gets a database whose statements belong to it. What it was made to is named by
// target, also when it is refused.
func (a *API) Change(ctx context.Context, target string, change func(tx *postgres.DB) error) error {
	c := callOf(ctx)
	c.target = target
	return a.ledger.Audited(ctx, ledger.Audit{
		Actor: c.principal.Actor(), Action: c.action, Target: target, TraceID: c.traceID,
	}, change)
}

// recordTimeout bounds the writing of a refusal, which does not delay the answer.
const recordTimeout = 5 * time.Second

// recordRefusal writes that a change was asked for and not made.
func (a *API) recordRefusal(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := a.ledger.Record(ctx, ledger.Audit{
		Actor: c.principal.Actor(), Action: c.action, Target: c.target, Outcome: ledger.NotDone,
		Code: c.problem.Code, Detail: c.problem.Detail, TraceID: c.traceID,
	})
	if err != nil {
		a.log.ErrorContext(ctx, "a refusal is not in the audit", "action", c.action, "code", c.problem.Code, "error", err)
	}
}
