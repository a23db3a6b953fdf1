package postgrestest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"
	pgxvector "github.com/pgvector/pgvector-go/pgx"

	"github.com/recflow/recflow/internal/recsys"
)

// manifest describes the data as the Glue job would.
func (f Fixture) manifest(data *Data, fold recsys.FoldIn, bound recsys.HoldoutBound) *recsys.Manifest {
	file := func(kind string, rows int) recsys.File {
		return recsys.File{
			Kind: kind, Key: recsys.RunPrefix(f.RunID) + kind + "/part-00000.parquet",
			Bytes: 1, SHA256: strings.Repeat("0", 64), Rows: int64(rows),
		}
	}
	m := &recsys.Manifest{
		SchemaVersion: recsys.ManifestSchemaVersion,
		RunID:         f.RunID,
		CreatedAt:     f.Coverage.StoredTo,
		Dimension:     f.Dimension,
		Parameters: recsys.Parameters{
			Trainer: recsys.MLlib, Rank: f.Dimension, Iterations: 1, Alpha: fold.Alpha, Regularization: fold.Regularization,
			RegularizationExponent: fold.Exponent, MeanItems: fold.MeanItems, Seed: int64(f.Seed),
		},
		Interest:     f.Interest,
		Gram:         fold.Gram,
		Coverage:     f.Coverage,
		HoldoutBound: bound,
		Files: []recsys.File{
			file(recsys.ItemsFile, len(data.Items)),
			file(recsys.UsersFile, len(data.Users)),
			file(recsys.HoldoutFile, len(data.Holdout)),
		},
		Checks:  []recsys.Check{},
		Metrics: recsys.Metrics{},
	}
	m.Input.Users, m.Input.Items = int64(len(data.Users)), int64(len(data.Items))
	m.Input.Streamed.Hash = "0000000000000000"
	return m
}

// Conn opens a separate connection to the store's database, for tests that use
// SQL.
func Conn(t testing.TB, s *Store) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := pgxvector.RegisterTypes(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

// load copies the data into the version's tables.
func load(t testing.TB, s *Store, v recsys.Version, data *Data) {
	t.Helper()
	conn := Conn(t, s)
	schema := fmt.Sprintf("v%d", v.ID)
	copyRows(t, conn, pgx.Identifier{schema, "items"}, "item_id embedding title category tags available popularity",
		len(data.Items), func(n int) ([]any, error) {
			i := data.Items[n]
			return []any{i.ItemID, pgvector.NewVector(i.Vector), i.Title, i.Category, i.Tags, i.Available, i.Popularity}, nil
		})
	copyRows(t, conn, pgx.Identifier{schema, "users"}, "user_id embedding history_items history_weights reference_time seen_items",
		len(data.Users), func(n int) ([]any, error) {
			u := data.Users[n]
			row := []any{u.ID, nil, orEmpty(u.History.Items), orEmpty(u.History.Weights), nil, orEmpty(u.History.Seen)}
			if u.Vector != nil {
				row[1] = pgvector.NewVector(u.Vector)
			}
			if !u.History.Reference.IsZero() {
				row[4] = u.History.Reference
			}
			return row, nil
		})
	copyRows(t, conn, pgx.Identifier{schema, "holdout"}, "user_id event_id item_id event_type value occurred_at answer",
		len(data.Holdout), func(n int) ([]any, error) {
			h := data.Holdout[n]
			return []any{h.UserID, h.EventID, h.ItemID, h.EventType, h.Value, h.OccurredAt, h.Answer}, nil
		})
}

func copyRows(t testing.TB, conn *pgx.Conn, table pgx.Identifier, columns string, n int, row func(int) ([]any, error)) {
	t.Helper()
	if _, err := conn.CopyFrom(t.Context(), table, strings.Fields(columns), pgx.CopyFromSlice(n, row)); err != nil {
		t.Fatal(err)
	}
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
