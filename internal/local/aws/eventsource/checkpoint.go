package eventsource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	lockName   = "lock"
	originName = "origin.json"
)

// identity distinguishes streams created at different times with the same name.
type identity struct {
	ARN       string    `json:"stream_arn"`
	CreatedAt time.Time `json:"stream_created_at"`
}

func (i identity) same(other identity) bool {
	return i.ARN == other.ARN && i.CreatedAt.Equal(other.CreatedAt)
}

// family is the common prefix of the directories of all streams with the name;
// folder is the directory of this one.
func (i identity) family() string {
	sum := sha256.Sum256([]byte(i.ARN))
	name := i.ARN[strings.LastIndexByte(i.ARN, '/')+1:]
	return name + "-" + hex.EncodeToString(sum[:4]) + "-"
}

func (i identity) folder() string {
	return fmt.Sprintf("%s%d", i.family(), i.CreatedAt.UnixMilli())
}

// checkpoint is the progress on a shard.
type checkpoint struct {
	identity
	Shard string `json:"shard"`

	// SequenceNumber is that of the last record up to which everything, including
	// it, is done; empty for a finished shard that was never read.
	SequenceNumber string `json:"sequence_number"`

	// Finished means that the shard is closed and everything in it is done.
	Finished bool      `json:"finished"`
	At       time.Time `json:"at"`
}

// origin is where the mapping started on a stream.
type origin struct {
	identity
	Position StartingPosition `json:"position"`

	// Time is the AT_TIMESTAMP time, or when the mapping started at LATEST.
	Time time.Time `json:"time"`

	// Open are the shards that were open when the mapping started at LATEST. Later
	// shards are read from their beginning.
	Open []string `json:"open,omitempty"`

	// fresh means that this process created the origin.
	fresh bool
}

// store persists the progress on one stream in its own directory.
//
// Files are replaced atomically and not synced: a checkpoint lost in a machine
// crash, or one that cannot be read and is ignored, causes records to be delivered
// again.
type store struct {
	dir      string
	identity identity
}

// lockDir creates the checkpoint directory and locks it against other mappings
// until the lock is closed or this process exits.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another mapping uses the checkpoints in %s: %w", dir, err)
	}
	return f, nil
}

// unlockDir releases the directory at once, even if a child that is being forked
// briefly has the file open.
func unlockDir(f *os.File) {
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN) //nolint:errcheck // closing it frees it too
	f.Close()
}

// openStore opens the directory of a stream. other reports whether there is
// progress on an earlier stream with the name.
func openStore(dir string, id identity) (s *store, other bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		other = other || e.IsDir() && e.Name() != id.folder() && strings.HasPrefix(e.Name(), id.family())
	}
	s = &store{dir: filepath.Join(dir, id.folder()), identity: id}
	return s, other, os.MkdirAll(s.dir, 0o700)
}

// forgetOthers removes the progress on earlier streams with the name.
func (s *store) forgetOthers() error {
	entries, err := os.ReadDir(filepath.Dir(s.dir))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && e.Name() != s.identity.folder() && strings.HasPrefix(e.Name(), s.identity.family()) {
			errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(s.dir), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// load returns the checkpoint of a shard; found is false if there is none. If the
// file cannot be read, it also returns an error.
func (s *store) load(shard string) (c checkpoint, found bool, err error) {
	err = s.read(shard+".json", &c)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return checkpoint{}, false, nil
	case err == nil && (c.Shard != shard || !c.same(s.identity)):
		err = fmt.Errorf("%s.json is of another shard or stream", shard)
	}
	return c, err == nil, err
}

func (s *store) save(c checkpoint) error {
	c.identity, c.At = s.identity, time.Now().UTC()
	return s.write(c.Shard+".json", c)
}

// keepOnly removes the finished checkpoints of shards that no longer exist.
func (s *store) keepOnly(exists func(shard string) bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		shard, isJSON := strings.CutSuffix(e.Name(), ".json")
		if !isJSON || e.Name() == originName || exists(shard) {
			continue
		}
		if c, found, _ := s.load(shard); found && c.Finished {
			errs = append(errs, os.Remove(filepath.Join(s.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func (s *store) loadOrigin() (o origin, found bool, err error) {
	err = s.read(originName, &o)
	if errors.Is(err, os.ErrNotExist) {
		return origin{}, false, nil
	}
	return o, err == nil, err
}

func (s *store) saveOrigin(o origin) error {
	o.identity = s.identity
	return s.write(originName, o)
}

func (s *store) read(name string, v any) error {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (s *store) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
