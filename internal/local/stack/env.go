package stack

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/backfill"
)

// envFile can be read by programs and by a shell: `set -a; . .recflow/env`.
const envFile = "env"

// Names that the local stack shares with the workflows.
const (
	Namespace = "default"
	TaskQueue = "recflow"
	GlueJob   = "recflow-train"
)

// Names of the stream's resources.
const (
	StreamName      = "recflow-events"
	Function        = "recflow-stream"
	Recommendations = "recflow-recommendations"
	Events          = "recflow-events"
	Quarantine      = "recflow-quarantine"
)

// SearchAttributes are the attributes that the workflows set, with their types.
var SearchAttributes = map[string]string{
	backfill.StageAttribute:   "Keyword",
	backfill.RunIDAttribute:   "Keyword",
	backfill.VersionAttribute: "Int",
	backfill.OutcomeAttribute: "Keyword",
}

// Env returns the environment of programs that use the stack, as read by
// internal/config and the AWS SDKs.
func (s Settings) Env(home string) map[string]string {
	loopback := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	return map[string]string{
		"RECFLOW_HOME":               home,
		"RECFLOW_DATABASE_URL":       s.databaseURL(home, ""),
		"RECFLOW_TEMPORAL_ADDRESS":   loopback(s.Ports.Temporal),
		"RECFLOW_TEMPORAL_NAMESPACE": Namespace,
		"RECFLOW_TEMPORAL_UI":        "http://" + loopback(s.Ports.TemporalUI),
		"RECFLOW_TASK_QUEUE":         TaskQueue,
		"RECFLOW_BUCKET":             s.Bucket,
		"RECFLOW_GLUE_JOB":           GlueJob,
		"RECFLOW_STORED_MARGIN":      "5s",
		"RECFLOW_EVENT_RETENTION":    "1h",
		"RECFLOW_STREAM":             StreamName,
		"RECFLOW_STREAM_STATUS":      "http://" + loopback(s.Ports.Stream) + "/status",

		"RECFLOW_API_ADDRESS":         loopback(s.Ports.API),
		"RECFLOW_API_METRICS_ADDRESS": loopback(s.Ports.APIMetrics),
		"RECFLOW_API_URL":             "http://" + loopback(s.Ports.API),
		"RECFLOW_API_TOKEN":           s.APIToken,

		"RECFLOW_FIREHOSE_RECOMMENDATIONS": Recommendations,
		"RECFLOW_FIREHOSE_EVENTS":          Events,
		"RECFLOW_FIREHOSE_QUARANTINE":      Quarantine,

		"AWS_REGION":                "us-east-1",
		"AWS_DEFAULT_REGION":        "us-east-1", // read by the Python SDK
		"AWS_ACCESS_KEY_ID":         "local",
		"AWS_SECRET_ACCESS_KEY":     "local",
		"AWS_ENDPOINT_URL_S3":       "http://" + loopback(s.Ports.S3),
		"AWS_ENDPOINT_URL_GLUE":     "http://" + loopback(s.Ports.Glue),
		"AWS_ENDPOINT_URL_KINESIS":  "http://" + loopback(s.Ports.S3),
		"AWS_ENDPOINT_URL_FIREHOSE": "http://" + loopback(s.Ports.Firehose),
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

// PartEnv is Env for one part of the stack, by its name.
func (s Settings) PartEnv(home, part string) map[string]string {
	vars := s.Env(home)
	vars["RECFLOW_DATABASE_URL"] = s.databaseURL(home, part)
	return vars
}

// writeEnv writes the variables to a file for LoadEnv and shells.
func writeEnv(home string, vars map[string]string) error {
	var b strings.Builder
	b.WriteString("# Written by `recflow up`. In a shell: set -a; . " + quote(filepath.Join(home, envFile)) + "; set +a\n")
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&b, "%s=%s\n", name, quote(vars[name]))
	}
	return writeFile(filepath.Join(home, envFile), []byte(b.String()))
}

// LoadEnv returns the variables of the local stack at home, as defaults for a
// program's environment. It returns none if there is no stack.
func LoadEnv(home string) (map[string]string, error) {
	f, err := os.Open(filepath.Join(home, envFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the local stack's variables: %w", err)
	}
	defer f.Close()
	vars := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s line %d is not NAME=VALUE", f.Name(), n)
		}
		vars[name] = unquote(value)
	}
	return vars, lines.Err()
}

// quote quotes s as one shell word.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// unquote reverses quote; an unquoted word is returned unchanged.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], `'\''`, "'")
}
