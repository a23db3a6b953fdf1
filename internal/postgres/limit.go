package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectionLimit observes the connections of a pool. It limits the wait for a
// connection, which pgxpool limits by the context of the whole call only, and it
// marks connections to a server that has become read-only.
type connectionLimit struct {
	acquire atomic.Int64 // time.Duration; 0: no limit
}

var (
	_ pgxpool.AcquireTracer = (*connectionLimit)(nil)
	_ pgx.QueryTracer       = (*connectionLimit)(nil)
	_ pgx.BatchTracer       = (*connectionLimit)(nil)
)

type cancelAcquire struct{}

// TraceAcquireStart returns the context of the wait.
func (l *connectionLimit) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	limit := time.Duration(l.acquire.Load())
	if limit == 0 {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return context.WithValue(ctx, cancelAcquire{}, cancel)
}

// TraceAcquireEnd ends the context of the wait.
func (l *connectionLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(cancelAcquire{}).(context.CancelFunc); ok {
		cancel()
	}
}

// readOnly is the SQLSTATE of a write in a read-only transaction: after a
// failover, the address may lead to another server than an open connection.
const readOnly = "25006"

// isReadOnly is the key of a mark in the custom data of a connection.
const isReadOnly = "recflow: read-only"

// TraceQueryStart does nothing.
func (l *connectionLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd marks a connection to a read-only server.
func (l *connectionLimit) TraceQueryEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	mark(conn, data.Err)
}

// TraceBatchStart does nothing.
func (l *connectionLimit) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery marks a connection to a read-only server.
func (l *connectionLimit) TraceBatchQuery(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	mark(conn, data.Err)
}

// TraceBatchEnd marks a connection to a read-only server.
func (l *connectionLimit) TraceBatchEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	mark(conn, data.Err)
}

func mark(conn *pgx.Conn, err error) {
	if HasCode(err, readOnly) {
		conn.PgConn().CustomData()[isReadOnly] = true
	}
}

// writable reports whether a connection of the pool may be used again.
func writable(_ context.Context, conn *pgx.Conn) (bool, error) {
	return conn.PgConn().CustomData()[isReadOnly] == nil, nil
}
