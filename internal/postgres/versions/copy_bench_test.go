package versions

import (
	"errors"
	"io"
	"testing"

	"github.com/recflow/recflow/internal/trainingrun"
)

// repeated yields one batch n times.
type repeated struct {
	batch trainingrun.Batch
	n     int
}

func (r *repeated) Next() (trainingrun.Batch, error) {
	if r.n == 0 {
		return nil, io.EOF
	}
	r.n--
	return r.batch, nil
}

func BenchmarkPackItems(b *testing.B) {
	const rows, k = 4096, 64
	items := &trainingrun.Items{}
	for range rows {
		items.IDs = append(items.IDs, "item-0123456")
		items.Titles = append(items.Titles, "Title of item 123456")
		items.Categories = append(items.Categories, "category 12")
		items.Tags = append(items.Tags, []string{"tag 1", "tag 2"})
		items.Available = append(items.Available, true)
		items.Popularity = append(items.Popularity, 12)
		for range k {
			items.Vectors = append(items.Vectors, 0.5)
		}
	}
	buffer := make([]byte, 65531)
	for b.Loop() {
		s := &copyStream{src: &repeated{items, 25}, progress: func(int64) {}}
		if err := s.advance(); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := s.Read(buffer); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(25*rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
