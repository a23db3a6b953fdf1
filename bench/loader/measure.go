package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/bench/internal/cputime"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/trainingrun"
)

// cpu is processor time of this process and of Postgres.
type cpu struct{ client, server time.Duration }

func (c cpu) plus(o cpu) cpu { return cpu{c.client + o.client, c.server + o.server} }

func (c cpu) total() time.Duration { return c.client + c.server }

type bench struct {
	store      *versions.Store
	set        *fileSet
	pool       *pgxpool.Pool // of the raw copies; the store has its own
	dir        string
	versions   int
	postmaster int      // process ID of the server
	encoded    [][]byte // each file as the data of a binary COPY
}

// measure loads all files into a new version in one way, and returns the cost.
func (b *bench) measure(ctx context.Context, kind string, streams int) (r result, err error) {
	v, err := b.newVersion(ctx)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, b.store.Fail(ctx, v.ID, "measured")) }()
	if err := b.checkpoint(ctx); err != nil {
		return result{}, err
	}
	one := map[string]func(context.Context, int64, int) error{
		loader: b.load, raw: b.copyRaw, rowReader: b.loadByRow, decode: b.decodeOnly,
	}[kind]
	runtime.GC()
	server, client := cputime.Postgres(b.postmaster), cputime.Process()
	begin := time.Now()
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(streams)
	for i := range b.set.paths {
		group.Go(func() error { return one(ctx2, v.ID, i) })
	}
	err = group.Wait()
	r.took = time.Since(begin)
	r.cpu.client = cputime.Process() - client
	r.cpu.server = cputime.Postgres(b.postmaster) - server
	return r, err
}

// load is the loader: decode, check, pack, COPY, complete the claim.
func (b *bench) load(ctx context.Context, version int64, i int) error {
	return b.withReader(i, func(r *trainingrun.Reader) error { return b.copyFile(ctx, version, i, r) })
}

func (b *bench) copyFile(ctx context.Context, version int64, i int, src versions.BatchSource) error {
	claim, err := b.store.Claim(ctx, version, b.set.entries[i].Key)
	if err != nil {
		return err
	}
	_, err = b.store.CopyFile(ctx, claim, src)
	return err
}

// decodeOnly decodes and checks, and discards the batches.
func (b *bench) decodeOnly(_ context.Context, _ int64, i int) error {
	return b.withReader(i, func(r *trainingrun.Reader) error {
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
}

func (b *bench) withReader(i int, fn func(*trainingrun.Reader) error) error {
	file, err := os.Open(b.set.paths[i])
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := trainingrun.Open(file, b.set.entries[i].Bytes, b.set.entries[i], b.set.dimension)
	if err != nil {
		return err
	}
	defer r.Close()
	return fn(r)
}

const copyItems = "items (item_id, embedding, title, category, tags, available, popularity)"

// copyRaw sends an already encoded file.
func (b *bench) copyRaw(ctx context.Context, version int64, i int) error {
	return b.connected(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(pgx.Tx) error {
			tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(b.encoded[i]), fmt.Sprintf("COPY v%d.%s FROM STDIN (FORMAT binary)", version, copyItems))
			if err == nil && tag.RowsAffected() != b.set.entries[i].Rows {
				err = fmt.Errorf("%d rows have arrived", tag.RowsAffected())
			}
			return err
		})
	})
}

// encode loads every file once and lets the server write it in its own binary
// format, which also verifies that the server reads the loader's rows.
func (b *bench) encode(ctx context.Context) error {
	for i := range b.set.paths {
		v, err := b.newVersion(ctx)
		if err != nil {
			return err
		}
		if err := b.load(ctx, v.ID, i); err != nil {
			return err
		}
		var out bytes.Buffer
		err = b.connected(ctx, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyTo(ctx, &out, fmt.Sprintf("COPY v%d.%s TO STDOUT (FORMAT binary)", v.ID, copyItems))
			return err
		})
		if err := errors.Join(err, b.store.Fail(ctx, v.ID, "encoded")); err != nil {
			return err
		}
		b.encoded = append(b.encoded, bytes.Clone(out.Bytes()))
	}
	return nil
}

func (b *bench) connected(ctx context.Context, fn func(*pgx.Conn) error) error {
	return b.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return fn(c.Conn()) })
}

// checkpoint prevents one measurement from paying for the pages of the previous
// one.
func (b *bench) checkpoint(ctx context.Context) error {
	return b.connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CHECKPOINT")
		return err
	})
}

// measureMemory downloads and loads every file as the worker does and prints this
// process's peak resident memory after each.
func (b *bench) measureMemory(ctx context.Context, streams int) error {
	v, err := b.newVersion(ctx)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		fmt.Fprintln(os.Stderr, "peak memory is not measured:", err)
		return b.store.Fail(ctx, v.ID, "not measured")
	}
	before := peakRSS()
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(streams)
	begin := time.Now()
	peaks := make([]string, len(b.set.paths))
	for i := range b.set.paths {
		group.Go(func() error {
			err := b.fetchAndLoad(ctx2, v.ID, i)
			peaks[i] = strconv.Itoa(peakRSS())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Printf("fetch with sha256 and load on %d streams: %.0f rows/s; resident memory %d MB before, peak after each file %s MB\n\n",
		streams, float64(b.set.rows)/time.Since(begin).Seconds(), before, strings.Join(peaks, " "))
	return b.store.Fail(ctx, v.ID, "measured")
}

func (b *bench) fetchAndLoad(ctx context.Context, version int64, i int) error {
	open := func(_ context.Context, offset int64) (io.ReadCloser, error) {
		file, err := os.Open(b.set.paths[i])
		if err == nil {
			_, err = file.Seek(offset, io.SeekStart)
		}
		return file, err
	}
	file, err := trainingrun.Fetch(ctx, open, b.set.entries[i], b.dir)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := trainingrun.Open(file, b.set.entries[i].Bytes, b.set.entries[i], b.set.dimension)
	if err != nil {
		return err
	}
	defer r.Close()
	return b.copyFile(ctx, version, i, r)
}

// peakRSS returns the peak resident memory of this process, in MB.
func peakRSS() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb >> 10
		}
	}
	return 0
}
