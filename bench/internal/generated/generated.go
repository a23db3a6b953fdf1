// Package generated generates a version of any size whose vectors resemble the
// factors of a training.
package generated

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
)

// Options are the properties of a version.
type Options struct {
	Items, Users, Dimension int
	M, EF                   int // of the index; 0 for the default of the size
	NoIndex                 bool
	Second                  bool // With creates another version with the same data
}

// With creates a Postgres with one generated version, in state loading, and calls
// fn with the database's address. With o.Second there is a second one, with the next
// number.
func With(ctx context.Context, o Options, fn func(url string, db *postgres.DB, v recsys.Version) error) (err error) {
	dir, err := os.MkdirTemp("", "recflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := setup.Postgres(ctx, dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx), pgserver.Immediate)) }()
	db, err := postgres.Open(ctx, postgres.Options{URL: server.URL(setup.Database), Name: "bench"})
	if err != nil {
		return err
	}
	defer db.Close()
	v, err := build(ctx, o, "bench", versions.New(db))
	if err == nil && o.Second {
		_, err = build(ctx, o, "bench-2", versions.New(db))
	}
	if err != nil {
		return err
	}
	return fn(server.URL(setup.Database), db, v)
}

// build loads a generated catalog and indexes it.
func build(ctx context.Context, o Options, run string, store *versions.Store) (recsys.Version, error) {
	g := newGenerator(o.Dimension, o.Items, lengths)
	m := manifest(o, run)
	search := recsys.ChooseSearch(int64(o.Items), o.Dimension)
	if o.NoIndex {
		search = recsys.Search{Method: recsys.Exact}
	}
	if o.M > 0 && search.Method == recsys.HNSW {
		search.M = o.M
	}
	if o.EF > 0 && search.Method == recsys.HNSW {
		search.EFSearch = o.EF
	}
	v, err := store.CreateVersion(ctx, versions.NewVersion{Manifest: m, Search: search})
	if err != nil {
		return v, err
	}
	began := time.Now()
	for i, from := range []*source{{left: o.Items, next: g.items}, {left: o.Users, next: g.users}} {
		claim, err := store.Claim(ctx, v.ID, m.Files[i].Key)
		if err != nil {
			return v, err
		}
		if _, err := store.CopyFile(ctx, claim, from); err != nil {
			return v, err
		}
	}
	fmt.Fprintf(os.Stderr, "loaded %d items in %s\n", o.Items, time.Since(began).Round(100*time.Millisecond))

	began = time.Now()
	claim, err := store.Claim(ctx, v.ID, versions.IndexSlot)
	if err != nil {
		return v, err
	}
	last := time.Now()
	err = store.BuildIndexes(ctx, claim, func(p versions.IndexProgress) {
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "index: %s %.0f %% after %s\n", p.Step, p.Percent, time.Since(began).Round(time.Second))
		}
	})
	if err != nil {
		return v, err
	}
	fmt.Fprintf(os.Stderr, "indexed in %s\n\n", time.Since(began).Round(100*time.Millisecond))
	return v, nil
}

func manifest(o Options, run string) *recsys.Manifest {
	file := func(kind string, rows int) recsys.File {
		return recsys.File{
			Kind: kind, Key: recsys.RunPrefix(run) + kind + "/part-00000.parquet",
			Bytes: 1, SHA256: strings.Repeat("0", 64), Rows: int64(rows),
		}
	}
	return &recsys.Manifest{
		SchemaVersion: recsys.ManifestSchemaVersion, RunID: run, Dimension: o.Dimension,
		Parameters:   recsys.Parameters{Trainer: recsys.ALS, Rank: o.Dimension, Alpha: 1, Regularization: 0.1, RegularizationExponent: 1, MeanItems: 1},
		Interest:     recsys.DefaultInterest(),
		Gram:         gram(o),
		Coverage:     recsys.Coverage{To: time.Now(), StoredTo: time.Now()},
		HoldoutBound: "0000000000000000",
		Files:        []recsys.File{file(recsys.ItemsFile, o.Items), file(recsys.UsersFile, o.Users)},
	}
}

// gram approximates VᵀV of the items, so that a fold-in has a solution.
func gram(o Options) []float64 {
	g := make([]float64, o.Dimension*o.Dimension)
	for i := range o.Dimension {
		g[i*o.Dimension+i] = float64(o.Items) * math.Exp(2*lengths*lengths) / float64(o.Dimension)
	}
	return g
}

// Vectors makes the vectors of items and of users, row after row, without a
// database. The deviation is that of the logarithms of the items' lengths.
func Vectors(items, users, dimension int, deviation float64) (itemVectors, userVectors []float32) {
	g := newGenerator(dimension, items, deviation)
	i := g.items(0, items).(*trainingrun.Items)
	u := g.users(0, users).(*trainingrun.Users)
	return i.Vectors, u.Vectors
}

// lengths is how widely the lengths of item vectors differ: the deviation of
// their logarithm.
const lengths = 0.7

// source yields batches until left rows are generated.
type source struct {
	left, done int
	next       func(first, n int) trainingrun.Batch
}

const batchRows = 4096

func (s *source) Next() (trainingrun.Batch, error) {
	n := min(batchRows, s.left)
	if n == 0 {
		return nil, io.EOF
	}
	b := s.next(s.done, n)
	s.left, s.done = s.left-n, s.done+n
	return b, nil
}

// historyItems is how many items a generated user has.
const historyItems = 50

// generator generates vectors that resemble the factors of a training: topics, and
// lengths that vary widely because popularity does.
type generator struct {
	dimension int
	catalog   int     // items that a history is drawn from
	lengths   float64 // how widely the lengths of item vectors differ
	topics    [][]float64
	rng       *rand.Rand
}

func newGenerator(dimension, catalog int, lengths float64) *generator {
	g := &generator{dimension: dimension, catalog: catalog, lengths: lengths, rng: rand.New(rand.NewPCG(1, 2))}
	for range 200 {
		t := make([]float64, dimension)
		for j := range t {
			t[j] = g.rng.NormFloat64() / math.Sqrt(float64(dimension))
		}
		g.topics = append(g.topics, t)
	}
	return g
}

// vector adds a mix of topics and noise, scaled to a length.
func (g *generator) vector(out []float32, topics int, noise, length float64) {
	sum := make([]float64, g.dimension)
	for range topics {
		for j, x := range g.topics[g.rng.IntN(len(g.topics))] {
			sum[j] += x
		}
	}
	var square float64
	for j := range sum {
		sum[j] += noise * g.rng.NormFloat64() / math.Sqrt(float64(g.dimension))
		square += sum[j] * sum[j]
	}
	for j := range sum {
		out[j] = float32(sum[j] * length / math.Sqrt(square))
	}
}

func (g *generator) items(first, n int) trainingrun.Batch {
	b := &trainingrun.Items{
		Vectors: make([]float32, n*g.dimension), Titles: make([]string, n), Categories: make([]string, n),
		Tags: make([][]string, n), Available: make([]bool, n), Popularity: make([]float64, n),
	}
	for i := range n {
		b.IDs = append(b.IDs, ItemID(first+i))
		length := math.Exp(g.lengths * g.rng.NormFloat64())
		b.Available[i], b.Popularity[i] = true, length
		g.vector(b.Vectors[i*g.dimension:][:g.dimension], 2, 0.8, length)
	}
	return b
}

func (g *generator) users(first, n int) trainingrun.Batch {
	b := &trainingrun.Users{
		Vectors: make([]float32, n*g.dimension), HasVector: make([]bool, n),
		HistoryItems: make([][]string, n), HistoryWeights: make([][]float32, n),
		ReferenceTimes: make([]time.Time, n), SeenItems: make([][]string, n),
	}
	for i := range n {
		b.IDs = append(b.IDs, fmt.Sprintf("user-%05d", first+i))
		b.HasVector[i] = true
		g.vector(b.Vectors[i*g.dimension:][:g.dimension], 4, 0.5, 1)
		for range historyItems {
			b.HistoryItems[i] = append(b.HistoryItems[i], ItemID(g.rng.IntN(g.catalog)))
			b.HistoryWeights[i] = append(b.HistoryWeights[i], 1)
		}
	}
	return b
}

// ItemID returns the id of the n-th generated item.
func ItemID(n int) string { return fmt.Sprintf("item-%07d", n) }
