// Package toolchain finds and installs what the local stack needs: a Python
// environment, Java, Spark's jars, Temporal and Postgres. It also downloads the
// wheels that the training job installs on AWS. Everything is in one cache directory
// shared by all stacks of a user.
package toolchain

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Paths are the paths of the installed parts. They are stored as toolchain.json in
// the cache directory, which is written only after every part was checked.
type Paths struct {
	Python      string   `json:"python"`       // interpreter of the virtual environment
	MiniStack   string   `json:"ministack"`    // the S3 emulator's command
	PostgresBin string   `json:"postgres_bin"` // directory of initdb, pg_ctl and postgres
	JavaHome    string   `json:"java_home"`
	SparkJars   []string `json:"spark_jars"` // needed by Spark for s3://
	Temporal    string   `json:"temporal"`   // the temporal command
}

// record is toolchain.json: the paths and a digest of the inputs.
type record struct {
	Paths
	Key string `json:"key,omitempty"`
}

// Installed returns the parts of an earlier setup, without installing any.
func Installed(cache string) (Paths, error) {
	r, err := readRecord(cache)
	if os.IsNotExist(err) {
		return Paths{}, fmt.Errorf("the local tools are not set up in %s; run `make setup`", cache)
	}
	return r.Paths, err
}

// Current reports whether an earlier setup is complete, undamaged and of the
// versions that this binary needs.
func Current(cache string) (Paths, bool) {
	r, err := readRecord(cache)
	if err != nil || r.Key != key() {
		return Paths{}, false
	}
	return r.Paths, r.check() == nil
}

// check reports the first missing path.
func (p Paths) check() error {
	paths := append([]string{
		p.Python, p.MiniStack, p.Temporal,
		filepath.Join(p.PostgresBin, "postgres"), filepath.Join(p.JavaHome, "bin", "java"),
	}, p.SparkJars...)
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	if len(p.SparkJars) == 0 {
		return fmt.Errorf("no Spark jars")
	}
	return nil
}

func readRecord(cache string) (record, error) {
	data, err := os.ReadFile(recordPath(cache))
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("read toolchain.json: %w; delete it and run `make setup`", err)
	}
	return r, nil
}

// writeRecord replaces toolchain.json atomically.
func writeRecord(cache string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temp := recordPath(cache) + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, recordPath(cache))
}

func recordPath(cache string) string { return filepath.Join(cache, "toolchain.json") }
