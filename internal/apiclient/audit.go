package apiclient

import (
	"context"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/vectorstore"
)

// AuditLog is a page of the audit, newest first.
type AuditLog struct {
	Items []vectorstore.Audit `json:"items"`
	Next  string              `json:"next,omitempty" doc:"The cursor of the next page; none when this is the last."`
}

// AuditQuery selects entries of the audit; its zero value selects all.
type AuditQuery struct {
	Action, Actor, Outcome string
	Since                  time.Time
	Cursor                 string
	Limit                  int
}

// Audit lists a page of the audit.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (log AuditLog, err error) {
	values := page(q.Cursor, q.Limit)
	for name, value := range map[string]string{"action": q.Action, "actor": q.Actor, "outcome": q.Outcome} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.Format(time.RFC3339))
	}
	_, err = c.Do(ctx, http.MethodGet, "/audit", values, nil, nil, &log)
	return log, err
}
