package trainingrun_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const k = 16

// readAll decodes a file and calls fn with every batch.
func readAll(content []byte, f recsys.File, dimension int, fn func(trainingrun.Batch)) error {
	r, err := trainingrun.Open(bytes.NewReader(content), int64(len(content)), f, dimension)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(batch)
	}
}

func TestReader_returns_the_items(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]parquet.WriterOption{
		"as Spark":             nil,
		"small pages":          {parquet.PageBufferSize(3000)},
		"small row groups":     {parquet.MaxRowsPerRowGroup(700)},
		"version 2 data pages": {parquet.DataPageVersion(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := trainingruntest.Items(0, 10_000, k)
			content, f := trainingruntest.File(t, recsys.ItemsFile, want, options...)
			row := 0
			err := readAll(content, f, k, func(batch trainingrun.Batch) {
				b := batch.(*trainingrun.Items)
				for i := range b.Rows() {
					w := want[row]
					require.Equal(t, w.ItemID, b.IDs[i])
					require.Equal(t, w.Embedding, b.Vectors[i*k:(i+1)*k])
					require.Equal(t, w.Title, b.Titles[i])
					require.Equal(t, w.Category, b.Categories[i])
					require.Equal(t, w.Tags, b.Tags[i])
					require.Equal(t, *w.Available, b.Available[i])
					require.Equal(t, *w.Popularity, b.Popularity[i])
					row++
				}
			})
			require.NoError(t, err)
			require.Equal(t, len(want), row)
		})
	}
}

func TestReader_returns_the_users(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]parquet.WriterOption{
		"as Spark":    nil,
		"small pages": {parquet.PageBufferSize(3000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := trainingruntest.Users(0, 5000, k, 1000)
			// Histories of the maximum length, together longer than a batch of elements,
			// among short ones.
			for i := range want[3000:3060] {
				long := &want[3000+i]
				long.HistoryItems = slices.Repeat([]string{"item-0000001", "item-0000002"}, recsys.MaxHistory/2)
				long.HistoryWeights = slices.Repeat([]float32{1.5}, recsys.MaxHistory)
				long.ReferenceTime = long.ReferenceTime.AddDate(2017, 0, 0)
			}
			content, f := trainingruntest.File(t, recsys.UsersFile, want, options...)
			row := 0
			err := readAll(content, f, k, func(batch trainingrun.Batch) {
				b := batch.(*trainingrun.Users)
				elements := 0
				for _, items := range b.HistoryItems {
					elements += len(items)
				}
				require.LessOrEqual(t, elements, 1<<18, "its elements limit a batch, too")
				for i := range b.Rows() {
					w := want[row]
					require.Equal(t, w.UserID, b.IDs[i])
					require.Equal(t, w.Embedding != nil, b.HasVector[i])
					if w.Embedding != nil {
						require.Equal(t, w.Embedding, b.Vectors[i*k:(i+1)*k])
					}
					require.Equal(t, w.HistoryItems, b.HistoryItems[i])
					require.Equal(t, w.HistoryWeights, b.HistoryWeights[i])
					require.True(t, w.ReferenceTime.Equal(b.ReferenceTimes[i]))
					require.Equal(t, w.SeenItems, b.SeenItems[i])
					row++
				}
			})
			require.NoError(t, err)
			require.Equal(t, len(want), row)
		})
	}
}

func TestReader_returns_the_holdout(t *testing.T) {
	t.Parallel()
	want := trainingruntest.Events(10_000)
	content, f := trainingruntest.File(t, recsys.HoldoutFile, want)
	row := 0
	err := readAll(content, f, k, func(batch trainingrun.Batch) {
		b := batch.(*trainingrun.Holdout)
		for i := range b.Rows() {
			w := want[row]
			require.Equal(t, []string{w.UserID, w.EventID, w.ItemID, w.EventType},
				[]string{b.UserIDs[i], b.EventIDs[i], b.ItemIDs[i], b.EventTypes[i]})
			require.Equal(t, w.Value != nil, b.HasValue[i])
			if w.Value != nil {
				require.Equal(t, *w.Value, b.Values[i])
			}
			require.True(t, w.OccurredAt.Equal(b.OccurredAts[i]))
			require.Equal(t, *w.Answer, b.Answers[i])
			row++
		}
	})
	require.NoError(t, err)
	require.Equal(t, len(want), row)
}

func TestReader_accepts_a_file_without_rows(t *testing.T) {
	t.Parallel()
	content, f := trainingruntest.File(t, recsys.HoldoutFile, []trainingruntest.Event{})
	require.NoError(t, readAll(content, f, k, func(trainingrun.Batch) { t.Error("it has a batch") }))
}

func TestReader_stops_when_closed(t *testing.T) {
	t.Parallel()
	content, f := trainingruntest.File(t, recsys.ItemsFile, trainingruntest.Items(0, 30_000, k))
	for _, batches := range []int{0, 1, 3} {
		r, err := trainingrun.Open(bytes.NewReader(content), int64(len(content)), f, k)
		require.NoError(t, err)
		for range batches {
			_, err := r.Next()
			require.NoError(t, err)
		}
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, err = r.Next()
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
		require.NotErrorIs(t, err, recsys.ErrManifestInvalid)
	}
}

// brokenStorage fails at the offsets of the pages.
type brokenStorage struct {
	*bytes.Reader
	err    error
	at     int64
	faults *harnesstest.Faults
}

func (b *brokenStorage) ReadAt(p []byte, off int64) (int, error) {
	if b.err != nil && off+int64(len(p)) > b.at {
		b.faults.Inject("read failed")
		return 0, b.err
	}
	return b.Reader.ReadAt(p, off)
}

func TestReader_distinguishes_storage_errors(t *testing.T) {
	t.Parallel()
	content, f := trainingruntest.File(t, recsys.ItemsFile, trainingruntest.Items(0, 30_000, 64))
	broken := errors.New("input/output error")
	in := &brokenStorage{bytes.NewReader(content), nil, 4 << 20, harnesstest.CountFaults(t)}
	r, err := trainingrun.Open(in, f.Bytes, f, 64)
	require.NoError(t, err)
	defer r.Close()
	in.err = broken
	for err == nil {
		_, err = r.Next()
	}
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, recsys.ErrManifestInvalid)
	require.ErrorContains(t, err, f.Key)
}

// TestReader_accepts_files_written_by_Spark reads files that pyspark 3.5.9 wrote, with
// nulls in every nullable column.
func TestReader_accepts_files_written_by_Spark(t *testing.T) {
	t.Parallel()
	for kind, rows := range map[string]int64{recsys.ItemsFile: 200, recsys.UsersFile: 100, recsys.HoldoutFile: 100} {
		content, err := os.ReadFile(filepath.Join("testdata", "spark-3.5.9", kind+".parquet"))
		require.NoError(t, err)
		got := int64(0)
		err = readAll(content, trainingruntest.Entry(kind, content, rows), k, func(batch trainingrun.Batch) {
			got += int64(batch.Rows())
			switch b := batch.(type) {
			case *trainingrun.Items:
				require.Equal(t, []string{"", "Title é 1"}, b.Titles[:2])
				require.Equal(t, []string{"", "cat1"}, b.Categories[:2])
				require.Equal(t, [][]string{nil, nil, {"t0"}, {"t0", "t1"}, nil}, b.Tags[:5])
				require.Equal(t, []bool{false, true}, b.Available[:2])
				require.Equal(t, []float64{0, 1, 2}, b.Popularity[:3])
			case *trainingrun.Users:
				require.Equal(t, []bool{false, true}, b.HasVector[:2])
				require.Len(t, b.HistoryItems[3], 4)
				require.Equal(t, []float32{1, 2, 3, 4}, b.HistoryWeights[3])
				require.True(t, b.ReferenceTimes[0].IsZero())
				require.Equal(t, time.Date(2020, 1, 1, 0, 0, 1, 234567000, time.UTC), b.ReferenceTimes[1])
				require.Equal(t, []string{"item-00000", "item-00001"}, b.SeenItems[2])
			case *trainingrun.Holdout:
				require.Equal(t, "user-1", b.UserIDs[10])
				require.Equal(t, []bool{true, false, true}, b.HasValue[:3])
				require.Equal(t, []float64{0, 0, 2}, b.Values[:3])
				require.Equal(t, time.Date(2020, 1, 1, 0, 0, 10, 0, time.UTC), b.OccurredAts[10])
				require.Equal(t, []bool{false, true}, b.Answers[7:9])
			}
		})
		require.NoError(t, err)
		require.Equal(t, rows, got)
	}
}
