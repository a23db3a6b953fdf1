// Package toolchain finds and installs what the local stack runs on: a Python
// environment, Java, Spark's jars, Temporal and Postgres. Everything lives in
// one cache folder that all stacks of a user share.
package toolchain

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Paths says where the installed parts are. It is kept as toolchain.json in the
// cache folder, written only after every part has been checked.
type Paths struct {
	Python     string   `json:"python"`      // interpreter of the virtual environment
	MiniStack  string   `json:"ministack"`   // the S3 emulator's command
	PostgresBin string  `json:"postgres_bin"` // folder of initdb, pg_ctl and postgres
	JavaHome   string   `json:"java_home"`
	SparkJars  []string `json:"spark_jars"` // what Spark needs for s3://
	Temporal   string   `json:"temporal"`   // the temporal command
}

// Installed returns the parts of an earlier set-up, without installing any.
func Installed(cache string) (Paths, error) {
	data, err := os.ReadFile(filepath.Join(cache, "toolchain.json"))
	if os.IsNotExist(err) {
		return Paths{}, fmt.Errorf("the local tools are not set up in %s; run `make setup`", cache)
	}
	if err != nil {
		return Paths{}, err
	}
	var p Paths
	if err := json.Unmarshal(data, &p); err != nil {
		return Paths{}, fmt.Errorf("read toolchain.json: %w; delete it and run `make setup`", err)
	}
	return p, nil
}
