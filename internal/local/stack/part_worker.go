package stack

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/recflow/recflow/internal/local/process"
)

// workerPart runs workflows and activities. It listens on no port: it is ready when
// Temporal has received a poll from it.
type workerPart struct {
	program
}

func newWorker(o Options) Part {
	w := &workerPart{program{
		Process: process.Process{
			Name: "worker", Home: o.Home, Vars: o.Settings.PartEnv(o.Home, "worker"),
			Args:  []string{o.Programs.Worker},
			Grace: 45 * time.Second, // longer than its own drain timeout
		},
		address: "task queue " + TaskQueue,
	}}
	w.ready = func(ctx context.Context) error { return w.polls(ctx, o.Settings.Ports.Temporal) }
	return w
}

// polls checks that this worker, not an earlier one, has polled Temporal for
// workflow tasks.
func (w *workerPart) polls(ctx context.Context, port int) error {
	r, ok := w.Find()
	if !ok {
		return errors.New("the worker is not running")
	}
	c, err := dialTemporal(ctx, port)
	if err != nil {
		return err
	}
	defer c.Close()
	queue, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace:     Namespace,
		TaskQueue:     &taskqueue.TaskQueue{Name: TaskQueue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	if err != nil {
		return err
	}
	for _, p := range queue.Pollers {
		if p.LastAccessTime.AsTime().After(r.Started) {
			return nil
		}
	}
	return notReady("the worker has not polled for tasks yet")
}
