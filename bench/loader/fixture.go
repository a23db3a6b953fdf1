package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// fileSet is the items files of a run, on disk.
type fileSet struct {
	paths     []string
	entries   []recsys.File
	rows      int
	dimension int
}

func (s *fileSet) bytes() (n int64) {
	for _, f := range s.entries {
		n += f.Bytes
	}
	return n
}

// writeFiles writes rows items as Spark would, distributed over a number of files.
func writeFiles(dir string, rows, dimension, files int) (*fileSet, error) {
	s := &fileSet{rows: rows, dimension: dimension}
	for i := range files {
		first, last := i*rows/files, (i+1)*rows/files
		path := filepath.Join(dir, fmt.Sprintf("part-%05d.parquet", i))
		entry, err := writeFile(path, first, last, dimension)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		s.paths = append(s.paths, path)
		s.entries = append(s.entries, entry)
	}
	return s, nil
}

func writeFile(path string, first, last, dimension int) (recsys.File, error) {
	file, err := os.Create(path)
	if err != nil {
		return recsys.File{}, err
	}
	defer file.Close()
	sum := sha256.New()
	w := trainingruntest.Writer[trainingruntest.Item](io.MultiWriter(file, sum))
	for at := first; at < last; at += 10_000 {
		if _, err := w.Write(trainingruntest.Items(at, min(10_000, last-at), dimension)); err != nil {
			return recsys.File{}, err
		}
	}
	if err := w.Close(); err != nil {
		return recsys.File{}, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	return recsys.File{
		Kind: recsys.ItemsFile, Key: recsys.RunPrefix("bench") + "items/" + filepath.Base(path),
		Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Rows: int64(last - first),
	}, err
}

// newVersion creates an empty version for the files.
func (b *bench) newVersion(ctx context.Context) (recsys.Version, error) {
	b.versions++
	k := b.set.dimension
	m := &recsys.Manifest{
		SchemaVersion: recsys.ManifestSchemaVersion, RunID: fmt.Sprintf("bench-%d", b.versions), Dimension: k,
		Parameters: recsys.Parameters{Trainer: recsys.ALS, Rank: k, MeanItems: 1}, Interest: recsys.DefaultInterest(), Gram: make([]float64, k*k),
		Coverage:     recsys.Coverage{To: time.Now(), StoredTo: time.Now()},
		HoldoutBound: "0000000000000000",
	}
	for _, f := range b.set.entries {
		f.Key = recsys.RunPrefix(m.RunID) + f.Kind + "/" + filepath.Base(f.Key)
		m.Files = append(m.Files, f)
	}
	return b.store.CreateVersion(ctx, versions.NewVersion{Manifest: m})
}
