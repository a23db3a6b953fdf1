package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/telemetry"
)

// Kinds of work whose outcome is published.
const (
	RefreshKind  = "refresh"
	BackfillKind = "backfill"
)

// outcomeSchema is the version of the JSON of Outcome. Added fields do not
// change it.
const outcomeSchema = 1

// PublishOutcomeInput is the outcome of a refresh or a backfill.
type PublishOutcomeInput struct {
	Kind       string  `json:"kind"`                  // RefreshKind or BackfillKind
	Outcome    string  `json:"outcome"`               // backfill.Outcome…, or the state of a backfill
	RunID      string  `json:"run_id,omitempty"`      // of the training, or of the lists
	BackfillID string  `json:"backfill_id,omitempty"` // of a backfill
	Version    int64   `json:"version,omitempty"`
	Seconds    float64 `json:"duration_seconds"`

	// Of a failure: the type of its error and its stage. Messages of errors may
	// contain data, so they stay in Temporal.
	Error string `json:"error,omitempty"`
	Stage string `json:"stage,omitempty"`

	Refused []RefusedGate         `json:"refused_gates,omitempty"`
	Windows *backfill.WindowCount `json:"windows,omitempty"` // of a backfill
}

// RefusedGate is a gate that refuses a version, and its reason.
type RefusedGate struct {
	Gate      string  `json:"gate"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	Reason    string  `json:"reason"`
}

// Outcome is the message that is published to the topic. It contains no user
// ids and no error messages.
type Outcome struct {
	Schema        int    `json:"schema"`
	WorkflowID    string `json:"workflow_id"`
	WorkflowRunID string `json:"workflow_run_id"`
	PublishOutcomeInput
	EndedAt time.Time `json:"ended_at"`
	Link    string    `json:"link,omitempty"` // to the Temporal UI
}

// PublishOutcome publishes the outcome of its workflow, and counts it in the
// metrics. Without a topic nothing is published. A retry publishes again:
// subscribers deduplicate by workflow_run_id. Only the first attempt is
// counted.
func (a *Activities) PublishOutcome(ctx context.Context, in PublishOutcomeInput) error {
	info := activity.GetInfo(ctx)
	if info.Attempt == 1 && in.Kind == RefreshKind && a.Metrics != nil {
		if err := outcomeLine(in.Outcome, time.Now(), a.Dimensions).Write(a.Metrics); err != nil {
			activity.GetLogger(ctx).Warn("failed to write metrics", "error", err)
		}
	}
	if a.Outcomes == nil {
		return nil
	}
	o := Outcome{
		Schema: outcomeSchema, WorkflowID: info.WorkflowExecution.ID, WorkflowRunID: info.WorkflowExecution.RunID,
		PublishOutcomeInput: in, EndedAt: info.ScheduledTime.UTC().Truncate(time.Millisecond),
	}
	o.Link = config.Temporal{UI: a.TemporalUI, Namespace: info.Namespace}.WorkflowLink(o.WorkflowID, o.WorkflowRunID)
	body, err := json.MarshalIndent(o, "", "  ") // people read it in emails
	if err != nil {
		return fmt.Errorf("encode the outcome of %s: %w", o.WorkflowID, err)
	}
	err = a.Outcomes.Publish(ctx, awsclient.Notice{
		Subject: in.subject(), Body: string(body),
		Attributes: map[string]string{"kind": in.Kind, "outcome": in.Outcome},
	})
	if err != nil && ctx.Err() == nil && !awsclient.Retryable(err) {
		return temporal.NewNonRetryableApplicationError(err.Error(), OutcomeNotPublished, nil)
	}
	return err
}

// subject is the subject line of emails.
func (in PublishOutcomeInput) subject() string {
	s := fmt.Sprintf("recflow: %s %s", in.Kind, in.Outcome)
	var gates []string
	for _, g := range in.Refused {
		gates = append(gates, g.Gate)
	}
	switch {
	case len(gates) > 0:
		s += fmt.Sprintf(", version %d by %s", in.Version, strings.Join(gates, ", "))
	case in.Error != "" && in.Stage != "":
		s += fmt.Sprintf(", %s in stage %s", in.Error, in.Stage)
	case in.BackfillID != "":
		s += ", " + in.BackfillID
	case in.Version != 0:
		s += fmt.Sprintf(", version %d", in.Version)
	}
	return s[:min(len(s), awsclient.MaxSubject)]
}

// counters are the metrics of refreshes that ended, and the outcome that each
// counts.
var counters = []struct{ name, outcome string }{
	{"refresh_promoted", backfill.OutcomeLive},
	{"refresh_refused", backfill.OutcomeRefused},
	{"refresh_failed", backfill.OutcomeFailed},
}

// outcomeLine returns the metrics of a refresh that ended. It writes every
// counter, so that alarms see zeros.
func outcomeLine(outcome string, at time.Time, dimensions []telemetry.Dimension) telemetry.Line {
	l := telemetry.Line{Namespace: telemetry.Namespace, Dimensions: dimensions, At: at}
	for _, c := range counters {
		m := telemetry.Metric{Name: c.name, Unit: telemetry.Count}
		if c.outcome == outcome {
			m.Value = 1
		}
		l.Metrics = append(l.Metrics, m)
	}
	return l
}
