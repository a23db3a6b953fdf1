package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
)

// Audit is an audit entry: who requested what, and the outcome.
type Audit struct {
	ID      int64
	At      time.Time
	Actor   string // "token:NAME", "local" or "anonymous"
	Action  string // for example version.promote
	Target  string // object of the action
	Outcome string // done or refused
	Code    string // problem code of a refusal
	Detail  string // one sentence for people
	TraceID string // of the request
}

// Outcomes of audited requests.
const (
	Done    = "done"
	NotDone = "refused"
)

const (
	auditColumns = "id, at, actor, action, target, outcome, code, detail, trace_id"
	auditText    = 500 // maximum length of a target and of a detail, in characters
)

// Audited makes a change and writes its audit entry in one transaction; change
// must use the DB that it gets. If change fails, nothing is written and its
// error is returned. The caller records the refusal, because the problem code is
// determined there.
func (s *Store) Audited(ctx context.Context, a Audit, change func(tx *postgres.DB) error) error {
	a.Outcome = Done
	return s.db.Transaction(ctx, func(tx *postgres.DB) error {
		if err := change(tx); err != nil {
			return err
		}
		return insertAudit(ctx, tx, a)
	})
}

// Record writes an entry without a change: for a refusal, or for a change that
// was made elsewhere.
func (s *Store) Record(ctx context.Context, a Audit) error { return insertAudit(ctx, s.db, a) }

func insertAudit(ctx context.Context, db postgres.Querier, a Audit) error {
	_, err := db.Exec(ctx, `
		INSERT INTO recflow.audit (actor, action, target, outcome, code, detail, trace_id)
		VALUES ($1, $2, left($3, $8), $4, $5, left($6, $8), $7)`,
		a.Actor, a.Action, a.Target, a.Outcome, a.Code, a.Detail, a.TraceID, auditText)
	if err != nil {
		return fmt.Errorf("write the audit entry: %w", err)
	}
	return nil
}

// auditKept is how long entries are kept. A trigger refuses to delete younger ones.
const auditKept = "400 days"

// DropAudit deletes old entries.
func (s *Store) DropAudit(ctx context.Context) error {
	_, err := s.db.Exec(ctx, "DELETE FROM recflow.audit WHERE at < now() - $1::text::interval - interval '1 hour'", auditKept)
	if err != nil {
		return fmt.Errorf("drop old audit entries: %w", err)
	}
	return nil
}

// AuditFilter selects entries; its zero value selects all.
type AuditFilter struct {
	Before  int64     // entries with a smaller id; 0: from the newest
	Since   time.Time // entries at or after this time
	Action  string    // exact action, or a prefix if it ends in a dot
	Actor   string
	Outcome string
}

// AuditEntries returns at most limit entries, newest first.
func (s *Store) AuditEntries(ctx context.Context, f AuditFilter, limit int) ([]Audit, error) {
	rows, err := s.db.Query(ctx, "SELECT "+auditColumns+`
		FROM recflow.audit
		WHERE ($1 = 0 OR id < $1)
		AND ($2::timestamptz IS NULL OR at >= $2)
		AND ($3 = '' OR action = $3 OR right($3, 1) = '.' AND starts_with(action, $3))
		AND ($4 = '' OR actor = $4)
		AND ($5 = '' OR outcome = $5)
		ORDER BY id DESC
		LIMIT $6`, f.Before, postgres.OrNull(f.Since), f.Action, f.Actor, f.Outcome, limit)
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Audit, err error) {
		return a, row.Scan(&a.ID, &a.At, &a.Actor, &a.Action, &a.Target, &a.Outcome, &a.Code, &a.Detail, &a.TraceID)
	})
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", err)
	}
	return entries, nil
}
