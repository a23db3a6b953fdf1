package versions

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recsys"
)

// IndexSlot is the part of a version that BuildIndexes completes.
const IndexSlot = "indexes"

// IndexProgress is the progress of BuildIndexes.
type IndexProgress struct {
	Step    string  // current step, for example "vacuum items" or "index items_embedding"
	Percent float64 // of this step, 0 to 100; 0 if unknown
}

const (
	minBuildMemory = 64 << 20  // bytes; Postgres's default
	minGraphMemory = 160 << 20 // bytes; each worker needs 32 MB to be started
	maxGraphMemory = 4 << 30   // bytes; a larger graph is built more slowly, on disk
)

// BuildIndexes freezes the loaded tables, counts their facets, builds every
// index and completes the claim. It can be interrupted at any point and called
// again: finished parts are kept, others are rebuilt. It reports progress about
// once a second; progress may be nil.
func (s *Store) BuildIndexes(ctx context.Context, c Claim, progress func(IndexProgress)) error {
	if c.Done {
		return nil
	}
	v, err := s.Version(ctx, c.Version)
	if err != nil {
		return fmt.Errorf("build indexes: %w", err)
	}
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("build indexes: %w", err)
	}
	defer conn.Release()
	b := &indexBuild{store: s, conn: conn, claim: c, version: v, report: progress}
	if err := b.run(ctx); err != nil {
		return fmt.Errorf("build indexes of version %d: %w", v.ID, err)
	}
	return nil
}

// indexBuild is one attempt to build the indexes of a version.
type indexBuild struct {
	store   *Store
	conn    *pgxpool.Conn
	claim   Claim
	version recsys.Version
	report  func(IndexProgress)
}

// buildLock is the class of the advisory locks that allow one attempt at a time
// to work on a version. An attempt that was replaced is fenced at its next
// step; the new one waits for that and continues.
const buildLock = 0x6275696c

func (b *indexBuild) run(ctx context.Context) error {
	lock := []any{int32(buildLock), int32(b.version.ID)}
	if err := b.step(ctx, "wait for an earlier attempt", b.lock); err != nil {
		return err
	}
	defer b.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", lock...) // a closed connection has released it

	if err := b.step(ctx, "end replaced writers", b.endWriters); err != nil {
		return err
	}
	for _, table := range []string{"items", "users", "holdout"} {
		err := b.step(ctx, "vacuum "+table, func(ctx context.Context) error { return b.vacuum(ctx, table) })
		if err != nil {
			return err
		}
	}
	if err := b.step(ctx, "count facets", func(ctx context.Context) error { return embeddings.CountFacets(ctx, b.conn, b.version) }); err != nil {
		return err
	}
	for _, index := range indexesOf(b.version) {
		err := b.step(ctx, "index "+index.name, func(ctx context.Context) error { return b.create(ctx, index) })
		if err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error { return b.claim.complete(ctx, tx, 0) })
}

// lock takes the lock of the version. An earlier attempt whose process is frozen, or
// whose host is gone, has an idle session that may hold the lock for hours: it is ended.
func (b *indexBuild) lock(ctx context.Context) error {
	for {
		var locked bool
		err := b.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", int32(buildLock), int32(b.version.ID)).Scan(&locked)
		if err != nil || locked {
			return err
		}
		_, err = b.conn.Exec(ctx, `
			SELECT pg_terminate_backend(a.pid)
			FROM pg_locks l
			JOIN pg_stat_activity a ON a.pid = l.pid
			WHERE l.locktype = 'advisory' AND l.granted
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
			AND a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - $3::interval`,
			int64(buildLock), b.version.ID, b.store.FrozenAfter)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(b.store.ProgressEvery):
		}
	}
}

// endWriters ends the sessions that still write to the tables of the version: every
// part is complete, so they are of attempts that were replaced. A COPY whose process is
// frozen would block the indexes until its connection breaks.
func (b *indexBuild) endWriters(ctx context.Context) error {
	_, err := b.conn.Exec(ctx, `
		SELECT pg_terminate_backend(l.pid)
		FROM pg_locks l
		JOIN pg_class c ON c.oid = l.relation
		WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock'
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND c.relnamespace = $1::regnamespace AND l.pid <> pg_backend_pid()`, postgres.SchemaOf(b.version.ID))
	return err
}

// step runs fn if the claim is still valid, and reports its progress.
func (b *indexBuild) step(ctx context.Context, name string, fn func(context.Context) error) error {
	if err := pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error { return b.claim.check(ctx, tx) }); err != nil {
		return err
	}
	if b.report == nil {
		return wrapStep(name, fn(ctx))
	}
	b.report(IndexProgress{Step: name})
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(watch, name, b.conn.Conn().PgConn().PID())
	}()
	err := fn(ctx)
	stop()
	<-watched
	return wrapStep(name, err)
}

func wrapStep(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// watch reports the progress of the backend pid until ctx ends.
func (b *indexBuild) watch(ctx context.Context, name string, pid uint32) {
	ticker := time.NewTicker(b.store.ProgressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var percent float64
		err := b.store.db.QueryRow(ctx, `
			SELECT 100 * greatest(
				coalesce(tuples_done::float8 / nullif(tuples_total, 0), 0),
				coalesce(blocks_done::float8 / nullif(blocks_total, 0), 0))
			FROM pg_stat_progress_create_index
			WHERE pid = $1`, int32(pid)).Scan(&percent)
		if err != nil {
			percent = 0 // unknown: the step is not an index build
		}
		if ctx.Err() == nil {
			b.report(IndexProgress{Step: name, Percent: min(percent, 100)})
		}
	}
}

// vacuum freezes a table, so that it is never rewritten, and analyzes it.
// Repeating it costs almost nothing.
func (b *indexBuild) vacuum(ctx context.Context, table string) error {
	_, err := b.conn.Exec(ctx, fmt.Sprintf("VACUUM (FREEZE, ANALYZE) %s.%s", postgres.SchemaOf(b.version.ID), table))
	return err
}

// create builds an index unless a valid one exists.
func (b *indexBuild) create(ctx context.Context, index index) error {
	schema := postgres.SchemaOf(b.version.ID)
	var valid bool
	err := b.conn.QueryRow(ctx, `
		SELECT coalesce(bool_and(x.indisvalid), false)
		FROM pg_index x
		WHERE x.indexrelid = to_regclass($1)`, schema+"."+index.name).Scan(&valid)
	if err != nil || valid {
		return err
	}
	err = b.build(ctx, index, true)
	if index.parallel && postgres.HasCode(err, "53100") {
		// The workers share the graph in /dev/shm, which is small in
		// containers.
		err = b.build(ctx, index, false)
	}
	switch {
	case postgres.HasCode(err, "23505"): // unique violation
		return fmt.Errorf("%w: duplicate id: %w", recsys.ErrManifestInvalid, err)
	case postgres.HasCode(err, "22003"): // out of range for a half-precision number
		return fmt.Errorf("%w: a vector is too long for an index of half vectors: %w", recsys.ErrManifestInvalid, err)
	}
	return err
}

// build builds one index in a transaction, and replaces an invalid one.
func (b *indexBuild) build(ctx context.Context, index index, parallel bool) error {
	schema := postgres.SchemaOf(b.version.ID)
	statements := []string{
		fmt.Sprintf("SET LOCAL maintenance_work_mem = '%dkB'", index.memory>>10),
		fmt.Sprintf("DROP INDEX IF EXISTS %s.%s", schema, index.name),
		fmt.Sprintf(index.definition, schema),
	}
	switch {
	case !parallel:
		statements = slices.Insert(statements, 0, "SET LOCAL max_parallel_maintenance_workers = 0")
	case index.parallel:
		// Postgres chooses the number of workers by the size of the table on
		// disk, but the cost of a graph is the comparisons. Searches must not
		// inherit the setting.
		statements = slices.Insert(statements, 2, fmt.Sprintf("ALTER TABLE %s.items SET (parallel_workers = 16)", schema))
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s.items RESET (parallel_workers)", schema))
	}
	return pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// index is an index of a version. definition has %s for the schema.
type index struct {
	name       string
	definition string
	memory     int64 // bytes for maintenance_work_mem
	parallel   bool  // uses max_parallel_maintenance_workers
}

func indexesOf(v recsys.Version) []index {
	indexes := []index{
		{name: "items_pkey", definition: "CREATE UNIQUE INDEX items_pkey ON %s.items (item_id)", memory: minBuildMemory},
		{name: "users_pkey", definition: "CREATE UNIQUE INDEX users_pkey ON %s.users (user_id)", memory: minBuildMemory},
		{name: "holdout_user", definition: "CREATE INDEX holdout_user ON %s.holdout (user_id)", memory: minBuildMemory},
		{name: "items_category", definition: "CREATE INDEX items_category ON %s.items (category, popularity DESC, item_id)", memory: minBuildMemory},
		{name: "items_tags", definition: "CREATE INDEX items_tags ON %s.items USING gin (tags)", memory: minBuildMemory},
		{name: "items_popularity", definition: "CREATE INDEX items_popularity ON %s.items (popularity DESC, item_id)", memory: minBuildMemory},
	}
	if v.Search.Method == recsys.HNSW {
		indexes = append(indexes, graphOf(v))
	}
	return indexes
}

// graphOf returns the HNSW index for the inner product.
func graphOf(v recsys.Version) index {
	key, width := "embedding vector_ip_ops", 4
	if v.Search.HalfVector {
		key, width = fmt.Sprintf("(embedding::halfvec(%d)) halfvec_ip_ops", v.Dimension), 2
	}
	// Memory of an element of the graph: its vector, 2·m neighbors on the
	// lowest level, about m on higher levels, and about 200 bytes of overhead.
	// A tenth is added for the allocator.
	perItem := int64(v.Dimension*width + 3*v.Search.M*24 + 200)
	memory := v.Items * perItem * 11 / 10
	return index{
		name: "items_embedding",
		definition: fmt.Sprintf("CREATE INDEX items_embedding ON %%s.items USING hnsw (%s) WITH (m = %d, ef_construction = %d)",
			key, v.Search.M, v.Search.EFConstruction),
		memory:   min(max(memory, minGraphMemory), maxGraphMemory),
		parallel: true,
	}
}
