package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/panics"
)

// Edge returns the interceptor around every activity. It gives errors their
// type, sends failures that will be retried to the workflow, where an operator
// sees them, and cancels a step that is still running grace after the worker
// began to stop, so that its retry need not wait for the heartbeat timeout.
func Edge(a *Activities, grace time.Duration) interceptor.WorkerInterceptor {
	return &edge{activities: a, grace: grace}
}

type edge struct {
	interceptor.WorkerInterceptorBase
	activities *Activities
	grace      time.Duration
}

func (e *edge) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &edgeInbound{edge: e}
	in.Next = next
	return in
}

type edgeInbound struct {
	interceptor.ActivityInboundInterceptorBase
	edge *edge
}

func (e *edgeInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-activity.GetWorkerStopChannel(ctx):
		}
		select {
		case <-ctx.Done():
		case <-time.After(e.edge.grace):
			cancel(errStopping)
		}
	}()
	result, err := e.Next.ExecuteActivity(ctx, in)
	if stack := panics.LogAttributes(err); stack != nil { // translate keeps only the message
		activity.GetLogger(ctx).Error("recovered from a panic", append([]any{"error", err}, stack...)...)
	}
	err = translate(ctx, err)
	if err != nil && !final(ctx, err) {
		e.edge.activities.signalFailure(ctx, err)
	}
	return result, err
}

// signalFailure sends a note about a failure that will be retried, on attempts 1,
// 2, 4, 8 …, which limits the number of signals.
func (a *Activities) signalFailure(ctx context.Context, err error) {
	attempt := activity.GetInfo(ctx).Attempt
	if attempt&(attempt-1) != 0 {
		return
	}
	const most = 500
	text := err.Error()
	if app := (*temporal.ApplicationError)(nil); errors.As(err, &app) {
		text = app.Message()
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	a.signal(ctx, Note{Detail: fmt.Sprintf("attempt %d: %s; retrying", attempt, text)})
}
