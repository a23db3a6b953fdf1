package glue

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// State is the state of a run, in Glue's terms.
type State string

// The states that this endpoint uses.
const (
	Starting  State = "STARTING"
	Running   State = "RUNNING"
	Stopping  State = "STOPPING"
	Stopped   State = "STOPPED"
	Succeeded State = "SUCCEEDED"
	Failed    State = "FAILED"
	TimedOut  State = "TIMEOUT"
)

func (s State) over() bool {
	return s == Stopped || s == Succeeded || s == Failed || s == TimedOut
}

// record is the state of a run as stored in run.json.
type record struct {
	ID        string            `json:"id"`
	Job       string            `json:"job"`
	State     State             `json:"state"`
	Arguments map[string]string `json:"arguments,omitempty"`
	Timeout   time.Duration     `json:"timeout_ns"`
	Started   time.Time         `json:"started"`
	Modified  time.Time         `json:"modified"`
	Completed time.Time         `json:"completed,omitzero"`
	Message   string            `json:"message,omitempty"`

	// Ending is the final state of a run that is being stopped, and Reason its
	// message: set when stopping begins, so that a restart cannot change it.
	Ending State  `json:"ending,omitempty"`
	Reason string `json:"reason,omitempty"`
}

const recordFile = "run.json"

// save replaces the record in dir atomically.
func (r *record) save(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := writeAtomically(filepath.Join(dir, recordFile), append(data, '\n')); err != nil {
		return fmt.Errorf("write the record of run %s: %w", r.ID, err)
	}
	return nil
}

func loadRecord(dir string) (*record, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, recordFile), err)
	}
	if r.ID != filepath.Base(dir) {
		return nil, fmt.Errorf("the record in %s is of another run, %q", dir, r.ID)
	}
	return &r, nil
}

func writeAtomically(path string, data []byte) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes new names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
