package versions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Owner names the workflow execution that builds a version.
type Owner struct{ WorkflowID, RunID string }

// NewVersion describes a version to create.
type NewVersion struct {
	Manifest *recsys.Manifest
	Search   recsys.Search // zero: recsys.ChooseSearch decides
	Owner    Owner

	Evaluation bool // it only measures the quality of a training, and must not be promoted
}

// LoadingVersion is a version that is still loading, and its owner.
type LoadingVersion struct {
	Version int64
	RunID   string
	Owner   Owner
	Since   time.Time
}

// CreateVersion creates a loading version with empty tables. If a version of
// the same run is loading or ready it returns that one, and the new owner takes
// it over; it returns recsys.ErrConflict if the manifests differ.
func (s *Store) CreateVersion(ctx context.Context, n NewVersion) (recsys.Version, error) {
	m := n.Manifest
	if err := m.Validate(); err != nil {
		return recsys.Version{}, fmt.Errorf("create version: %w: %w", recsys.ErrManifestInvalid, err)
	}
	if n.Search.Method == "" {
		n.Search = recsys.ChooseSearch(m.Rows(recsys.ItemsFile), m.Dimension)
	}
	var v recsys.Version
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		id, err := insertVersion(ctx, tx, n)
		if err != nil {
			return err
		}
		v, err = versionByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return recsys.Version{}, fmt.Errorf("create version: %w", err)
	}
	return v, nil
}

func insertVersion(ctx context.Context, tx pgx.Tx, n NewVersion) (int64, error) {
	m := n.Manifest
	slim := *m
	slim.Files = nil
	manifest, err1 := json.Marshal(slim)
	files, err2 := json.Marshal(m.Files)
	search, err3 := json.Marshal(n.Search)
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	digest := sha256.Sum256(append(append([]byte{}, manifest...), files...))

	// A concurrent creation makes this wait and then insert nothing.
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO recflow.versions
			(run_id, state, dimension, items, users, covers_from, covers_to, stored_to,
			 search, manifest, files, manifest_digest, workflow_id, workflow_run_id, evaluation)
		VALUES ($1, 'loading', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (run_id) WHERE state IN ('loading', 'ready') DO NOTHING
		RETURNING id`,
		m.RunID, m.Dimension, m.Rows(recsys.ItemsFile), m.Rows(recsys.UsersFile),
		postgres.OrNull(m.Coverage.From), m.Coverage.To, m.Coverage.StoredTo,
		search, manifest, files, digest[:], n.Owner.WorkflowID, n.Owner.RunID, n.Evaluation).Scan(&id)
	if err == nil {
		return id, createTables(ctx, tx, id, m.Dimension)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	var existing []byte
	err = tx.QueryRow(ctx, `
		UPDATE recflow.versions
		SET workflow_id = $2, workflow_run_id = $3
		WHERE run_id = $1 AND state IN ('loading', 'ready')
		RETURNING id, manifest_digest`,
		m.RunID, n.Owner.WorkflowID, n.Owner.RunID).Scan(&id, &existing)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("run %s: %w", m.RunID, recsys.ErrConflict)
	}
	if err == nil && !bytes.Equal(existing, digest[:]) {
		return 0, fmt.Errorf("version %d has the same run %s but a different manifest: %w", id, m.RunID, recsys.ErrConflict)
	}
	return id, err
}

// createTables creates the schema of a version. Its tables are filled once and
// then only read, so autovacuum is off: BuildIndexes vacuums. Text compares by
// bytes in any locale, as in Go. Embeddings are stored inline: out of line,
// each distance would cost another lookup.
func createTables(ctx context.Context, tx pgx.Tx, version int64, dimension int) error {
	schema := postgres.SchemaOf(version)
	for _, statement := range []string{
		`CREATE SCHEMA %[1]s`,
		`CREATE TABLE %[1]s.items (
			item_id    text COLLATE "C" NOT NULL,
			embedding  vector(%[2]d)    NOT NULL,
			title      text,
			category   text COLLATE "C",
			tags       text[] COLLATE "C",
			available  boolean          NOT NULL,
			popularity double precision NOT NULL
		) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
		`CREATE TABLE %[1]s.users (
			user_id         text COLLATE "C" NOT NULL,
			embedding       vector(%[2]d),
			history_items   text[] COLLATE "C" NOT NULL,
			history_weights real[]      NOT NULL,
			reference_time  timestamptz,
			seen_items       text[] COLLATE "C" NOT NULL
		) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
		`CREATE TABLE %[1]s.holdout (
			user_id     text COLLATE "C" NOT NULL,
			event_id    text COLLATE "C" NOT NULL,
			item_id     text COLLATE "C" NOT NULL,
			event_type  text        NOT NULL,
			value       double precision,
			occurred_at timestamptz NOT NULL,
			answer      boolean     NOT NULL
		) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
		`CREATE TABLE %[1]s.facets (
			kind  text   NOT NULL,
			value text   COLLATE "C" NOT NULL,
			rows  bigint NOT NULL
		)`,
		`ALTER TABLE %[1]s.items ALTER COLUMN embedding SET STORAGE PLAIN`,
		`ALTER TABLE %[1]s.users ALTER COLUMN embedding SET STORAGE PLAIN`,
		`SELECT recflow.grant_version_read('%[1]s')`,
	} {
		if _, err := tx.Exec(ctx, fmt.Sprintf(statement, schema, dimension)); err != nil {
			return fmt.Errorf("create the tables of version %d: %w", version, err)
		}
	}
	return nil
}

// Manifest returns the stored manifest of a version, with its files.
func (s *Store) Manifest(ctx context.Context, version int64) (*recsys.Manifest, error) {
	var manifest, files []byte
	err := s.db.QueryRow(ctx, "SELECT manifest, files FROM recflow.versions WHERE id = $1", version).Scan(&manifest, &files)
	if err != nil {
		return nil, fmt.Errorf("manifest of version %d: %w", version, postgres.Translate(err))
	}
	var m recsys.Manifest
	if err := errors.Join(json.Unmarshal(manifest, &m), json.Unmarshal(files, &m.Files)); err != nil {
		return nil, fmt.Errorf("manifest of version %d: %w", version, err)
	}
	return &m, nil
}

// Version returns the version with this number, or recsys.ErrNotFound.
func (s *Store) Version(ctx context.Context, id int64) (recsys.Version, error) {
	return versionByID(ctx, s.db, id)
}

// VersionByRun returns the newest version of a training run, or
// recsys.ErrNotFound.
func (s *Store) VersionByRun(ctx context.Context, runID string) (recsys.Version, error) {
	v, err := oneVersion(ctx, s.db, "WHERE v.run_id = $1 ORDER BY v.id DESC LIMIT 1", runID)
	if err != nil {
		return recsys.Version{}, fmt.Errorf("version of run %s: %w", runID, postgres.Translate(err))
	}
	return v, nil
}

// VersionsBefore returns at most limit versions with a smaller number than
// before, newest first; 0 begins with the newest.
func (s *Store) VersionsBefore(ctx context.Context, before int64, limit int) ([]recsys.Version, error) {
	rows, err := s.db.Query(ctx, selectVersion+"WHERE $1 = 0 OR v.id < $1 ORDER BY v.id DESC LIMIT $2", before, limit)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	versions, err := pgx.CollectRows(rows, scanVersion)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return versions, nil
}

// LoadingVersions returns the versions that are still loading, oldest first. The
// caller must find out whether their owners are running.
func (s *Store) LoadingVersions(ctx context.Context) ([]LoadingVersion, error) {
	rows, err := s.db.Query(ctx, `
		SELECT id, run_id, workflow_id, workflow_run_id, created_at
		FROM recflow.versions
		WHERE state = 'loading'
		ORDER BY id
		LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("list loading versions: %w", err)
	}
	building, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b LoadingVersion, err error) {
		return b, row.Scan(&b.Version, &b.RunID, &b.Owner.WorkflowID, &b.Owner.RunID, &b.Since)
	})
	if err != nil {
		return nil, fmt.Errorf("list loading versions: %w", err)
	}
	return building, nil
}

// versionColumns selects a version v, with the live pointer as l.
const versionColumns = `
		v.id,
		v.run_id,
		v.state,
		l.version_id IS NOT NULL,
		v.pinned,
		v.evaluation,
		v.dimension,
		v.items,
		v.users,
		v.covers_from,
		v.covers_to,
		v.stored_to,
		v.search,
		v.created_at,
		v.ready_at,
		v.failure`

const selectVersion = "SELECT" + versionColumns + `
	FROM recflow.versions v
	LEFT JOIN recflow.live l ON l.version_id = v.id
	`

func versionByID(ctx context.Context, q postgres.Querier, id int64) (recsys.Version, error) {
	v, err := oneVersion(ctx, q, "WHERE v.id = $1", id)
	if err != nil {
		return recsys.Version{}, fmt.Errorf("version %d: %w", id, postgres.Translate(err))
	}
	return v, nil
}

func oneVersion(ctx context.Context, q postgres.Querier, where string, args ...any) (recsys.Version, error) {
	rows, err := q.Query(ctx, selectVersion+where, args...)
	if err != nil {
		return recsys.Version{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanVersion)
}

func scanVersion(row pgx.CollectableRow) (recsys.Version, error) { return scanVersionAfter(row) }

// scanVersionAfter scans the columns before the versionColumns, and those.
func scanVersionAfter(row pgx.CollectableRow, before ...any) (v recsys.Version, err error) {
	var from, ready *time.Time
	var search []byte
	err = row.Scan(append(before, &v.ID, &v.RunID, &v.State, &v.Live, &v.Pinned, &v.Evaluation, &v.Dimension, &v.Items, &v.Users,
		&from, &v.Coverage.To, &v.Coverage.StoredTo, &search, &v.CreatedAt, &ready, &v.Failure)...)
	if err != nil {
		return v, err
	}
	v.Coverage.From, v.ReadyAt = postgres.OrZero(from), postgres.OrZero(ready)
	return v, json.Unmarshal(search, &v.Search)
}
