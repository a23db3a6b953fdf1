package embeddings

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// AppliedCatalog is the result of ApplyCatalog. It counts items.
type AppliedCatalog struct {
	Items       int64 // of the catalog
	Complete    bool  // items that the catalog lacks are unavailable
	Unavailable int64 // unavailable by the catalog, although a version has them as available
	Available   int64 // available by the catalog, although a version has them as unavailable
	Changed     int64 // with another override than before
}

// changedItems is the number of items that one statement changes: changes by operators
// wait for it.
const changedItems = 1000

// ApplyCatalog makes the availability of the items in a catalog apply at once: where it
// differs from that in a version that can be served, it becomes an override. Overrides
// that are no longer needed are removed, and those of operators stay. It is idempotent.
// rows are read once, while no other call reads. The catalog is compared in temporary
// tables, so memory does not depend on its size. changed is called with the number of
// items changed so far.
//
// The job has the same rules (glue/recflow_glue/items.py): the latest row of an item
// counts, and an item is unavailable if that is from before the latest complete
// catalog, or if there is a complete catalog and no row. Without a complete one an item
// without a row keeps the value of its version.
func (s *Store) ApplyCatalog(ctx context.Context, rows iter.Seq2[recsys.CatalogRow, error], changed func(int64)) (AppliedCatalog, error) {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return AppliedCatalog{}, fmt.Errorf("apply the catalog: %w", err)
	}
	defer conn.Release()
	// The lock and the tables end with the connection.
	defer conn.Conn().Close(context.WithoutCancel(ctx))
	a := application{conn: conn.Conn()}
	for _, step := range []func(context.Context) error{
		a.lock,
		func(ctx context.Context) error { return a.copy(ctx, rows) },
		a.resolve,
		a.compare,
		func(ctx context.Context) error { return a.change(ctx, changed) },
	} {
		if err := step(ctx); err != nil {
			return AppliedCatalog{}, fmt.Errorf("apply the catalog: %w", err)
		}
	}
	return a.out, nil
}

// application is one call of ApplyCatalog.
type application struct {
	conn *pgx.Conn
	out  AppliedCatalog
}

// lock waits for concurrent calls: the one that reads the catalog last also writes last.
func (a *application) lock(ctx context.Context) error {
	_, err := a.conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended('recflow.catalog', 0))")
	return err
}

// copy stores the rows of the catalog.
func (a *application) copy(ctx context.Context, rows iter.Seq2[recsys.CatalogRow, error]) error {
	_, err := a.conn.Exec(ctx, `
		CREATE TEMPORARY TABLE catalog_rows (
			item_id         text COLLATE "C" NOT NULL,
			available       boolean          NOT NULL,
			source          text COLLATE "C" NOT NULL,
			written         timestamptz      NOT NULL,
			replaces_before timestamptz
		)`)
	if err != nil {
		return err
	}
	next, stop := iter.Pull2(rows)
	defer stop()
	columns := []string{"item_id", "available", "source", "written", "replaces_before"}
	var unread error // the driver keeps only its text
	_, err = a.conn.CopyFrom(ctx, pgx.Identifier{"catalog_rows"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		r, err, ok := next()
		if unread = err; !ok || err != nil {
			return nil, err
		}
		var before *time.Time
		if !r.ReplacesBefore.IsZero() {
			before = &r.ReplacesBefore
		}
		return []any{r.ItemID, r.Available, r.Source, r.Written, before}, nil
	}))
	if unread != nil {
		return unread
	}
	return err
}

// resolve determines the availability of each item.
func (a *application) resolve(ctx context.Context) error {
	_, err := a.conn.Exec(ctx, `
		CREATE TEMPORARY TABLE catalog AS
		SELECT
			latest.item_id,
			latest.available AND latest.written >= coalesce(complete.replaces_before, '-infinity') AS available
		FROM (
			SELECT DISTINCT ON (item_id)
				item_id,
				available,
				written
			FROM catalog_rows
			ORDER BY item_id, written DESC, source DESC, available
		) latest
		CROSS JOIN (SELECT max(replaces_before) AS replaces_before FROM catalog_rows) complete`)
	if err != nil {
		return err
	}
	if _, err := a.conn.Exec(ctx, "ANALYZE catalog"); err != nil {
		return err
	}
	return a.conn.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM catalog),
			EXISTS (SELECT FROM catalog_rows WHERE replaces_before IS NOT NULL)`).Scan(&a.out.Items, &a.out.Complete)
}

// compare finds the items whose availability in a version differs from the catalog's.
func (a *application) compare(ctx context.Context) error {
	_, err := a.conn.Exec(ctx, `
		CREATE TEMPORARY TABLE wanted (
			item_id   text COLLATE "C" PRIMARY KEY,
			available boolean NOT NULL
		)`)
	if err != nil {
		return err
	}
	versions, err := a.versions(ctx)
	if err != nil {
		return err
	}
	for _, v := range versions {
		_, err := a.conn.Exec(ctx, fmt.Sprintf(`
			INSERT INTO wanted (item_id, available)
			SELECT
				i.item_id,
				NOT i.available
			FROM %s.items i
			LEFT JOIN catalog c ON c.item_id = i.item_id
			WHERE i.available <> coalesce(c.available, CASE WHEN $1 THEN false END)
			ON CONFLICT DO NOTHING`, postgres.SchemaOf(v)), a.out.Complete)
		if err = postgres.Translate(err); err != nil && !errors.Is(err, recsys.ErrVersionGone) {
			return err
		}
	}
	return a.conn.QueryRow(ctx, "SELECT count(*) FILTER (WHERE NOT available), count(*) FILTER (WHERE available) FROM wanted").
		Scan(&a.out.Unavailable, &a.out.Available)
}

// versions returns the versions that are live, or can be promoted without a flag.
func (a *application) versions(ctx context.Context) ([]int64, error) {
	rows, err := a.conn.Query(ctx, `
		SELECT id
		FROM recflow.versions
		WHERE state = 'ready' AND NOT evaluation OR id = (SELECT version_id FROM recflow.live)
		ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// change changes the overrides that differ.
func (a *application) change(ctx context.Context, changed func(int64)) error {
	_, err := a.conn.Exec(ctx, `
		CREATE TEMPORARY TABLE changes AS
		SELECT
			row_number() OVER (ORDER BY item_id) AS n,
			item_id,
			w.available
		FROM wanted w
		FULL JOIN (SELECT item_id, catalog_available FROM recflow.item_state WHERE catalog_available IS NOT NULL) st USING (item_id)
		WHERE w.available IS DISTINCT FROM st.catalog_available`)
	if err != nil {
		return err
	}
	if _, err := a.conn.Exec(ctx, "CREATE INDEX ON changes (n)"); err != nil {
		return err
	}
	for {
		tag, err := a.conn.Exec(ctx, `
			INSERT INTO recflow.item_state (item_id, catalog_available)
			SELECT
				item_id,
				available
			FROM changes
			WHERE n > $1 AND n <= $1 + $2
			ON CONFLICT (item_id) DO UPDATE SET
				catalog_available = excluded.catalog_available,
				updated_at = clock_timestamp()`, a.out.Changed, changedItems)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		a.out.Changed += tag.RowsAffected()
		changed(a.out.Changed)
	}
}
