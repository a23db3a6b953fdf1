package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	pgxvector "github.com/pgvector/pgvector-go/pgx"
)

var errNoExtension = errors.New("the database has no pgvector; run the migrations first")

// registerTypes registers the types of pgvector with a new connection.
func registerTypes(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regtype('vector') IS NOT NULL").Scan(&there); err != nil {
		return fmt.Errorf("look for pgvector: %w", err)
	}
	if !there {
		return errNoExtension
	}
	return pgxvector.RegisterTypes(ctx, conn)
}
