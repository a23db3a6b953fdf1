package eventsource

import (
	"context"
	"errors"
)

// Mapping reads one stream and invokes one function.
type Mapping struct {
	options Options
}

// New checks the options.
func New(o Options) (*Mapping, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Mapping{options: o}, nil
}

// Run reads and invokes until ctx is done.
func (m *Mapping) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Status may be called at any time, before and after Run too.
func (m *Mapping) Status() Status { return Status{Stream: m.options.Stream, State: "starting"} }
