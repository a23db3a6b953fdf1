package main

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

func (s *server) auditRoutes() {
	rest.Register(s.api, huma.Operation{OperationID: "list-audit", Method: http.MethodGet, Path: "/audit", Tags: []string{"Audit"},
		Summary:     "List audit entries, newest first",
		Description: "Contains every change and every refused attempt, except those refused by the rate limit. Entries cannot be changed or removed."},
		rest.Access{Scope: apiclient.ScopeAdmin}, s.listAudit)
}

type listAuditInput struct {
	rest.Page
	Action  string    `query:"action" maxLength:"100" doc:"Only this action; with a trailing dot, all actions with that prefix." example:"version."`
	Actor   string    `query:"actor" maxLength:"100" doc:"Only requests of this actor." example:"token:ops"`
	Outcome string    `query:"outcome" enum:"done,refused" doc:"Only requests with this outcome."`
	Since   time.Time `query:"since" doc:"Only entries from this time on."`
}
type listAuditOutput struct{ Body apiclient.AuditLog }

func (s *server) listAudit(ctx context.Context, in *listAuditInput) (*listAuditOutput, error) {
	before, err := in.Before()
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
	page, next := rest.PageOf(entries, in.Limit, func(a ledger.Audit) int64 { return a.ID })
	out.Body.Items, out.Body.Next = rest.MapEach(page, auditOf), next
	return out, nil
}

// auditOf maps an entry of the audit to its public form.
func auditOf(a ledger.Audit) apiclient.Audit {
	return apiclient.Audit{ID: a.ID, At: a.At, Actor: a.Actor, Action: a.Action, Target: a.Target, Outcome: a.Outcome, Code: a.Code, Detail: a.Detail, TraceID: a.TraceID}
}
