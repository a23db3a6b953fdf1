package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// rowSource is the straightforward loader, for comparison: parquet-go's generic
// reader into a slice of structs, then the same checks, packing and COPY.
type rowSource struct {
	reader *parquet.GenericReader[trainingruntest.Item]
	rows   []trainingruntest.Item
	batch  trainingrun.Items
}

func (b *bench) loadByRow(ctx context.Context, version int64, i int) error {
	file, err := os.Open(b.set.paths[i])
	if err != nil {
		return err
	}
	defer file.Close()
	reader := parquet.NewGenericReader[trainingruntest.Item](file)
	defer reader.Close()
	return b.copyFile(ctx, version, i, &rowSource{reader: reader, rows: make([]trainingruntest.Item, 4096)})
}

// Next implements versions.BatchSource.
func (s *rowSource) Next() (trainingrun.Batch, error) {
	n, err := s.reader.Read(s.rows)
	if n == 0 {
		return nil, err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b := &s.batch
	*b = trainingrun.Items{
		IDs: b.IDs[:0], Vectors: b.Vectors[:0], Titles: b.Titles[:0], Categories: b.Categories[:0],
		Tags: b.Tags[:0], Available: b.Available[:0], Popularity: b.Popularity[:0],
	}
	for _, row := range s.rows[:n] {
		if err := recsys.CheckID("item_id", row.ItemID); err != nil {
			return nil, err
		}
		norm := 0.0
		for _, x := range row.Embedding {
			norm += float64(x) * float64(x)
		}
		if !(norm > 0) || math.IsInf(norm, 0) {
			return nil, fmt.Errorf("a vector has the norm %v", math.Sqrt(norm))
		}
		b.IDs = append(b.IDs, row.ItemID)
		b.Vectors = append(b.Vectors, row.Embedding...)
		b.Titles = append(b.Titles, row.Title)
		b.Categories = append(b.Categories, row.Category)
		b.Tags = append(b.Tags, row.Tags)
		b.Available = append(b.Available, *row.Available)
		b.Popularity = append(b.Popularity, *row.Popularity)
	}
	return b, nil
}
