package stack

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/local/localport"
)

// settingsFile marks a directory as the home of a stack.
const settingsFile = "stack.json"

// Ports are the TCP ports of the parts on 127.0.0.1.
type Ports struct {
	Postgres   int `json:"postgres"`
	S3         int `json:"s3"`
	Temporal   int `json:"temporal"`
	TemporalUI int `json:"temporal_ui"`
	Glue       int `json:"glue"`
	Firehose   int `json:"firehose"`
	Stream     int `json:"stream"` // status of the event source mapping
	API        int `json:"api"`
	APIMetrics int `json:"api_metrics"`
}

// DefaultPorts differ from the standard ones to avoid conflicts with other Postgres
// or Temporal servers. The offset is added to each.
func DefaultPorts(offset int) Ports {
	return Ports{
		Postgres:   15432 + offset,
		S3:         14566 + offset,
		Temporal:   17233 + offset,
		TemporalUI: 18233 + offset,
		Glue:       14567 + offset,
		Firehose:   14568 + offset,
		Stream:     14569 + offset,
		API:        14570 + offset,
		APIMetrics: 14571 + offset,
	}
}

// ReservePorts returns free ports, reserved until this process exits: by then the
// parts have started.
func ReservePorts() (Ports, error) {
	var p Ports
	for _, port := range []*int{&p.Postgres, &p.S3, &p.Temporal, &p.TemporalUI, &p.Glue, &p.Firehose, &p.Stream, &p.API, &p.APIMetrics} {
		var err error
		if *port, err = localport.Reserve(); err != nil {
			return Ports{}, err
		}
	}
	return p, nil
}

// format is the format of a home's data. It is incremented when homes of the
// previous format cannot be used any more: 2 since the migrations were squashed.
const format = 2

// Settings is the state that a stack needs at its next start. It is stored in
// stack.json, readable by the owner only.
type Settings struct {
	Format   int    `json:"format"` // of the home; see format
	Ports    Ports  `json:"ports"`
	Password string `json:"postgres_password"`
	Bucket   string `json:"bucket"`
	APIToken string `json:"api_token"` // of the user who started the stack; has all scopes
}

// NewSettings returns the settings of a new home.
func NewSettings(ports Ports) Settings {
	token, _, _ := apiclient.MintToken()
	return Settings{Format: format, Ports: ports, Password: rand.Text(), Bucket: "recflow", APIToken: token}
}

// Validate reports invalid ports.
func (p Ports) Validate() error {
	var errs []error
	seen := map[int]string{}
	for _, n := range []struct {
		name string
		port int
	}{{"postgres", p.Postgres}, {"s3", p.S3}, {"temporal", p.Temporal}, {"temporal-ui", p.TemporalUI}, {"glue", p.Glue}, {"firehose", p.Firehose}, {"stream", p.Stream}, {"api", p.API}, {"api-metrics", p.APIMetrics}} {
		if n.port < 1 || n.port > 65535 {
			errs = append(errs, fmt.Errorf("port %d of %s is not between 1 and 65535", n.port, n.name))
		}
		if other, ok := seen[n.port]; ok {
			errs = append(errs, fmt.Errorf("port %d is used for both %s and %s", n.port, other, n.name))
		}
		seen[n.port] = n.name
	}
	return errors.Join(errs...)
}

// ReadSettings returns the settings of a home, or ErrNoHome.
func ReadSettings(home string) (Settings, error) {
	data, err := os.ReadFile(filepath.Join(home, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, fmt.Errorf("%s: %w; start one with `recflow up`", home, ErrNoHome)
	}
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	if err := json.Unmarshal(data, &s); err != nil {
		return Settings{}, fmt.Errorf("read %s: %w", filepath.Join(home, settingsFile), err)
	}
	if s.Format < 1 || s.Format > format {
		return Settings{}, fmt.Errorf("%s has format %d, and this recflow reads up to %d: use the recflow that created it", filepath.Join(home, settingsFile), s.Format, format)
	}
	if s.APIToken == "" {
		s.APIToken, _, _ = apiclient.MintToken()
	}
	return s, nil
}

// checkFormat returns an error for the home of an earlier recflow. It can be stopped
// and removed, but not started.
func (s Settings) checkFormat(home string) error {
	if s.Format < format {
		return fmt.Errorf("an earlier recflow created %s (format %d), and this one cannot use its data (format %d): "+
			"remove it with `recflow down --purge`, then start again and import your data again", home, s.Format, format)
	}
	return nil
}

// write stores the settings in home.
func (s Settings) write(home string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(home, settingsFile), append(data, '\n'))
}

// writeFile replaces a file atomically; only the owner may read it.
func writeFile(path string, data []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
