// Package config is the only reader of the environment. It has one struct per
// concern; a binary composes the ones it needs, reads them once at startup and
// passes them down. The AWS SDK reads its own variables (AWS_REGION,
// AWS_ENDPOINT_URL_S3, …).
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Local is the configuration of the local stack.
type Local struct {
	// Home contains the state of one local stack and nothing else.
	Home string `env:"RECFLOW_HOME" envDefault:".recflow"`

	// Cache contains installed tools and data shared by all stacks of a user. Empty
	// means recflow's directory in the user's cache directory.
	Cache string `env:"RECFLOW_CACHE"`

	// PortOffset is added to the default port of every service.
	PortOffset int `env:"RECFLOW_PORT_OFFSET"`

	// JavaHome is used if it is the Java version that Spark needs.
	JavaHome string `env:"JAVA_HOME"`

	// PostgresBin is a directory of Postgres programs, with pgvector installed, to
	// use instead of the installed Postgres. Empty means the installed one.
	PostgresBin string `env:"RECFLOW_POSTGRES_BIN"`
}

// Temporal is the service that runs the workflows.
type Temporal struct {
	Address   string `env:"RECFLOW_TEMPORAL_ADDRESS"`
	Namespace string `env:"RECFLOW_TEMPORAL_NAMESPACE" envDefault:"default"`
	TaskQueue string `env:"RECFLOW_TASK_QUEUE" envDefault:"recflow"`

	// UI is the address of the Temporal UI, used only in printed links.
	UI string `env:"RECFLOW_TEMPORAL_UI"`
}

// WorkflowLink returns the address of a workflow's page in the Temporal UI. With a
// run ID it is the page of that run. It is empty when there is no workflow ID or no
// UI.
func (c Temporal) WorkflowLink(workflowID, runID string) string {
	if c.UI == "" || workflowID == "" {
		return ""
	}
	link := fmt.Sprintf("%s/namespaces/%s/workflows/%s", strings.TrimSuffix(c.UI, "/"), url.PathEscape(c.Namespace), url.PathEscape(workflowID))
	if runID != "" {
		link += "/" + url.PathEscape(runID)
	}
	return link
}

// Storage is the bucket of raw events, items and embeddings.
type Storage struct {
	Bucket string `env:"RECFLOW_BUCKET"`
}

// Glue is the training job.
type Glue struct {
	Job string `env:"RECFLOW_GLUE_JOB" envDefault:"recflow-train"`

	// StoredMargin is subtracted from the time of a refresh to get stored_to. It
	// must be longer than the longest delivery delay of the stream.
	StoredMargin time.Duration `env:"RECFLOW_STORED_MARGIN" envDefault:"1h"`

	// PollEvery is the polling interval of a run.
	PollEvery time.Duration `env:"RECFLOW_GLUE_POLL" envDefault:"2s"`
}

// Worker is the configuration of the worker binary.
type Worker struct {
	Database Database
	Temporal Temporal
	Storage  Storage
	Glue     Glue
	Signals  Signals

	// BuildID identifies the code that a workflow task ran on. Empty: the VCS
	// revision.
	BuildID string `env:"RECFLOW_BUILD_ID"`

	// HealthAddress is a loopback host:port that serves /healthz. Empty: none.
	HealthAddress string `env:"RECFLOW_WORKER_HEALTH_ADDRESS"`

	// DrainTimeout is how long running activities get when the worker stops.
	DrainTimeout time.Duration `env:"RECFLOW_DRAIN_TIMEOUT" envDefault:"30s"`

	// LoadParallel limits the files that one worker loads concurrently.
	LoadParallel int `env:"RECFLOW_LOAD_PARALLEL" envDefault:"2"`

	// SearchMemory is how many MiB the gates may use to search two versions in memory:
	// see Search.Memory.
	SearchMemory int64 `env:"RECFLOW_SEARCH_MEMORY" envDefault:"-1"`

	// SweepEvery is the interval of the cleanup after terminated runs.
	SweepEvery time.Duration `env:"RECFLOW_SWEEP_EVERY" envDefault:"1h"`

	// ReaderCacheTTL is the longest time a reader may use a version it resolved
	// earlier. Prune waits this long before dropping a version.
	ReaderCacheTTL time.Duration `env:"RECFLOW_READER_CACHE_TTL" envDefault:"60s"`

	// EventRetention is how long verdicts, and events covered by every version, are
	// kept. It must be longer than the stream can redeliver an event: its retention
	// plus the maximum record age.
	EventRetention time.Duration `env:"RECFLOW_EVENT_RETENTION" envDefault:"25h"`
}

// Client is the configuration that recflow commands need to reach a running system.
type Client struct {
	Database Database
	Temporal Temporal
	Storage  Storage
	Glue     Glue
	Stream   Stream
	API      APIAccess
}

// APIAccess is how a command reaches the API.
type APIAccess struct {
	URL   string `env:"RECFLOW_API_URL"`
	Token string `env:"RECFLOW_API_TOKEN"`
}

// ReadLocal reads and completes Local.
func ReadLocal() (Local, error) {
	c, err := env.ParseAs[Local]()
	if err != nil {
		return Local{}, err
	}
	if c.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return Local{}, fmt.Errorf("find the cache folder (set RECFLOW_CACHE): %w", err)
		}
		c.Cache = filepath.Join(dir, "recflow")
	}
	if c.Home, err = filepath.Abs(c.Home); err != nil {
		return Local{}, err
	}
	if c.Cache, err = filepath.Abs(c.Cache); err != nil {
		return Local{}, err
	}
	if c.PostgresBin, err = postgresBin(c.PostgresBin); err != nil {
		return Local{}, err
	}
	return c, nil
}

// postgresBin makes dir absolute and checks that it contains the programs that run
// a server. An empty dir is returned unchanged.
func postgresBin(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("RECFLOW_POSTGRES_BIN is %s; give the directory of initdb, pg_ctl and postgres, such as /usr/lib/postgresql/17/bin: %w", dir, err)
		}
	}
	return filepath.Abs(dir)
}

// ReadWorker reads and validates Worker.
func ReadWorker() (Worker, error) {
	c, err := env.ParseAs[Worker]()
	if err != nil {
		return Worker{}, err
	}
	c.SearchMemory = searchMemory(c.SearchMemory)
	return c, c.Validate()
}

// Validate reports all mistakes at once and names the variables.
func (c Worker) Validate() error {
	errs := []error{c.Database.Validate(), c.Temporal.validate(), c.Storage.validate(), c.Glue.validate(), c.Signals.validate(), c.validateHealth()}
	errs = append(errs, validateSearchMemory(c.SearchMemory))
	if c.LoadParallel < 1 || c.LoadParallel > 64 {
		errs = append(errs, fmt.Errorf("RECFLOW_LOAD_PARALLEL is %d; use 1 to 64", c.LoadParallel))
	}
	if c.SweepEvery < time.Minute {
		errs = append(errs, fmt.Errorf("RECFLOW_SWEEP_EVERY is %s; use 1m or more", c.SweepEvery))
	}
	if c.EventRetention < time.Minute {
		errs = append(errs, fmt.Errorf("RECFLOW_EVENT_RETENTION is %s; use 1m or more", c.EventRetention))
	}
	if c.DrainTimeout < 0 || c.ReaderCacheTTL < 0 {
		errs = append(errs, errors.New("RECFLOW_DRAIN_TIMEOUT and RECFLOW_READER_CACHE_TTL must not be negative"))
	}
	return errors.Join(errs...)
}

// ReadClient reads Client. Variables missing from the environment are taken from
// fallback, the variables of the local stack by name. Commands check the settings
// they require.
func ReadClient(fallback map[string]string) (Client, error) {
	return env.ParseAsWithOptions[Client](env.Options{Environment: withFallback(fallback)})
}

// withFallback returns the environment of this process on top of the given
// defaults.
func withFallback(fallback map[string]string) map[string]string {
	merged := make(map[string]string, len(fallback))
	for k, v := range fallback {
		merged[k] = v
	}
	for k, v := range env.ToMap(os.Environ()) {
		merged[k] = v
	}
	return merged
}

// ChildEnv returns the environment of a process of the local stack: this process's
// environment, without variables that refer to another system, plus vars.
func ChildEnv(vars map[string]string) []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := vars[name]; ok || foreign(name) {
			continue
		}
		out = append(out, kv)
	}
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// foreign reports whether a variable may refer to a Postgres, Temporal, Spark or
// AWS account other than the local stack's.
func foreign(name string) bool {
	if name == "RECFLOW_DATABASE_AUTH" || name == "RECFLOW_DATABASE_PASSWORD" {
		return true
	}
	for _, prefix := range []string{"AWS_", "TEMPORAL_", "PG", "SPARK_", "PYSPARK_", "HADOOP_", "PYTHONPATH", "PYTHONHOME"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (c Temporal) validate() error {
	if c.Address == "" {
		return errors.New("RECFLOW_TEMPORAL_ADDRESS is not set; give host:port")
	}
	return nil
}

func (c Storage) validate() error {
	if c.Bucket == "" {
		return errors.New("RECFLOW_BUCKET is not set; give the bucket of raw/ and embeddings/")
	}
	return nil
}

func (c Glue) validate() error {
	if c.StoredMargin < 0 {
		return fmt.Errorf("RECFLOW_STORED_MARGIN is %s; it must not be negative", c.StoredMargin)
	}
	if c.PollEvery <= 0 {
		return fmt.Errorf("RECFLOW_GLUE_POLL is %s; use a positive time such as 2s", c.PollEvery)
	}
	return nil
}
