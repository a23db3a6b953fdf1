package ecs

import (
	"path"
	"sync"

	"github.com/google/uuid"
)

// state is a service in the responses of ECS.
type state struct {
	ServiceArn, ServiceName, TaskDefinition string
	DesiredCount                            int
}

// service is the only task of a service.
type service struct {
	deploying sync.Mutex // locked while one task replaces another

	mu         sync.Mutex
	wanted     state
	task       *task // nil: none is running
	definition string
}

func (s *service) current() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.task
}

func (s *service) set(t *task, definition string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.task, s.definition = t, definition
}

// Vars returns the variables of the service's task that takes requests now; nil if
// there is none.
func (h *Host) Vars(name string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for arn, s := range h.services {
		if path.Base(arn) != name {
			continue
		}
		if t := s.current(); t != nil {
			return t.vars
		}
	}
	return nil
}

// reconcile asynchronously applies the desired state of a service, as ECS does.
func (h *Host) reconcile(wanted state) {
	h.mu.Lock()
	s := h.services[wanted.ServiceArn]
	if s == nil {
		s = &service{}
		h.services[wanted.ServiceArn] = s
	}
	s.mu.Lock()
	s.wanted = wanted
	s.mu.Unlock()
	h.mu.Unlock()
	h.running.Go(func() {
		s.deploying.Lock()
		defer s.deploying.Unlock()
		h.deploy(s)
	})
}

// deploy starts, replaces or stops the task of a service.
func (h *Host) deploy(s *service) {
	s.mu.Lock()
	wanted, old, definition := s.wanted, s.task, s.definition
	s.mu.Unlock()
	log := h.options.Log.With("service", wanted.ServiceName)
	switch {
	case h.ctx.Err() != nil:
	case wanted.DesiredCount == 0:
		s.set(nil, "")
		if old != nil {
			old.stop()
			log.Info("service stopped")
		}
	case old != nil && definition == wanted.TaskDefinition:
	default:
		t := newTask(uuid.NewString(), "")
		if err := h.start(t, wanted.TaskDefinition, nil); err != nil {
			log.Error("failed to start task", "definition", wanted.TaskDefinition, "error", err)
			return
		}
		if err := t.healthy(h.ctx); err != nil {
			log.Error("task unhealthy, keeping the previous one", "definition", wanted.TaskDefinition, "log", t.log, "error", err)
			t.stop()
			return
		}
		s.set(t, wanted.TaskDefinition)
		log.Info("task running", "definition", wanted.TaskDefinition, "log", t.log)
		if old != nil {
			old.stop()
		}
	}
}

// describeService updates a service in a response with the state of its task.
func (h *Host) describeService(shown map[string]any) {
	arn, _ := shown["serviceArn"].(string)
	h.mu.Lock()
	s := h.services[arn]
	h.mu.Unlock()
	if s == nil {
		return
	}
	running := 0
	if t := s.current(); t != nil {
		select {
		case <-t.done:
		default:
			if wanted, ok := shown["desiredCount"].(float64); ok {
				running = int(wanted)
			}
		}
	}
	shown["runningCount"] = running
	deployments, _ := shown["deployments"].([]any)
	for _, d := range deployments {
		if m, ok := d.(map[string]any); ok && m["status"] == "PRIMARY" {
			m["runningCount"] = running
		}
	}
}
