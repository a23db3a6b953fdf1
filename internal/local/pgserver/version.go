package pgserver

import (
	"context"
	"fmt"
	"regexp"
)

// versionFile contains the major version of a data directory.
const versionFile = "PG_VERSION"

// programVersion extracts the major version from "postgres (PostgreSQL) 17.6
// (Debian …)".
var programVersion = regexp.MustCompile(`PostgreSQL\) (\d+)`)

// checkVersion compares the major version of the data directory with that of the
// programs: Postgres rejects data of another version, and only its log says why.
func (s *Server) checkVersion(ctx context.Context, data string) error {
	out, err := s.command(ctx, "postgres", "--version").Output()
	if err != nil {
		return fmt.Errorf("check the version of postgres: %w", err)
	}
	m := programVersion.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("check the version of postgres: %s/postgres --version printed %q", s.Bin, out)
	}
	if program := string(m[1]); program != data {
		return fmt.Errorf("%s has data of Postgres %s, but %s is Postgres %s; set RECFLOW_POSTGRES_BIN to a Postgres %s, or use another RECFLOW_HOME",
			s.Data, data, s.Bin, program, data)
	}
	return nil
}
