package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

func (s *server) auditRoutes() {
	route(s, huma.Operation{OperationID: "list-audit", Method: http.MethodGet, Path: "/audit", Tags: []string{"Audit"},
		Summary:     "List who asked for which change, newest first",
		Description: "Holds every change, and every attempt that was refused, but for those that came too often. Nothing in it can be changed or removed."},
		access{scope: apiclient.ScopeAdmin}, s.listAudit)
}

type listAuditInput struct {
	Page
	Action  string    `query:"action" maxLength:"100" doc:"Only this action; with a dot at its end, all that begin with it." example:"version."`
	Actor   string    `query:"actor" maxLength:"100" doc:"Only what this actor asked for." example:"token:ops"`
	Outcome string    `query:"outcome" enum:"done,refused" doc:"Only what ended like this."`
	Since   time.Time `query:"since" doc:"Not earlier than this."`
}
type listAuditOutput struct{ Body apiclient.AuditLog }

func (s *server) listAudit(ctx context.Context, in *listAuditInput) (*listAuditOutput, error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	entries, err := s.ledger.AuditEntries(ctx, ledger.AuditFilter{
		Before: before, Since: in.Since, Action: in.Action, Actor: in.Actor, Outcome: in.Outcome,
	}, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listAuditOutput{}
	page, next := cut(entries, in.Limit, func(a ledger.Audit) int64 { return a.ID })
	out.Body.Items, out.Body.Next = mapEach(page, auditOf), next
	return out, nil
}

// auditOf maps an entry of the audit to its public form.
func auditOf(a ledger.Audit) apiclient.Audit {
	return apiclient.Audit{ID: a.ID, At: a.At, Actor: a.Actor, Action: a.Action, Target: a.Target, Outcome: a.Outcome, Code: a.Code, Detail: a.Detail, TraceID: a.TraceID}
}

// recordTimeout bounds the writing of a refusal, which nobody waits for.
const recordTimeout = 5 * time.Second

// recordRefusal writes that a change was asked for and not made.
func (s *server) recordRefusal(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := s.ledger.Record(ctx, ledger.Audit{
		Actor: c.principal.actor(), Action: c.action, Target: c.target, Outcome: ledger.NotDone,
		Code: c.problem.Code, Detail: c.problem.Detail, TraceID: c.traceID,
	})
	if err != nil {
		s.log.ErrorContext(ctx, "a refusal is not in the audit", "action", c.action, "code", c.problem.Code, "error", err)
	}
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }
