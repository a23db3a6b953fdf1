package trainingrun_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/safeparquet"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// FuzzReader decodes arbitrary data as each kind of file. The reader must
// return valid batches or an error about the file.
//
//	go test -run '^$' -fuzz FuzzReader -fuzztime 60s -fuzzminimizetime 10x ./internal/trainingrun
//
// Pools and goroutines make the coverage vary, so the time of the minimizer
// must be limited.
func FuzzReader(f *testing.F) {
	const k = 4
	kinds := []string{recsys.ItemsFile, recsys.UsersFile, recsys.HoldoutFile}
	for _, version := range []int{1, 2} {
		small := []parquet.WriterOption{parquet.DataPageVersion(version), parquet.PageBufferSize(256)}
		items, _ := trainingruntest.File(f, kinds[0], trainingruntest.Items(0, 12, k), small...)
		users, _ := trainingruntest.File(f, kinds[1], trainingruntest.Users(0, 12, k, 10), small...)
		events, _ := trainingruntest.File(f, kinds[2], trainingruntest.Events(12), small...)
		for i, content := range [][]byte{items, users, events} {
			f.Add(content, byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, kind byte) {
		entry := recsys.File{Kind: kinds[int(kind)%len(kinds)], Key: "key", Bytes: int64(len(content)), Rows: claimedRows(content)}
		err := readAll(content, entry, k, func(b trainingrun.Batch) { checkPromises(t, b, k) })
		if err != nil && !errors.Is(err, recsys.ErrManifestInvalid) {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}

// claimedRows sets the manifest's rows to those of the file, so that the fuzzer
// gets past the comparison.
func claimedRows(content []byte) (rows int64) {
	file, err := safeparquet.Open(bytes.NewReader(content), int64(len(content)), safeparquet.Foreign)
	if err != nil {
		return 0
	}
	return file.NumRows()
}

func checkPromises(t *testing.T, batch trainingrun.Batch, k int) {
	n := batch.Rows()
	if n == 0 {
		t.Error("a batch is empty")
	}
	same := func(lengths ...int) {
		for _, length := range lengths {
			if length != n {
				t.Errorf("columns of different lengths: %v", lengths)
			}
		}
	}
	switch b := batch.(type) {
	case *trainingrun.Items:
		same(len(b.Vectors)/k, len(b.Titles), len(b.Categories), len(b.Tags), len(b.Available), len(b.Popularity))
		for _, id := range b.IDs {
			if err := recsys.CheckID("item_id", id); err != nil {
				t.Error(err)
			}
		}
	case *trainingrun.Users:
		same(len(b.Vectors)/k, len(b.HasVector), len(b.HistoryItems), len(b.HistoryWeights), len(b.ReferenceTimes), len(b.SeenItems))
		for i := range b.HistoryItems {
			if len(b.HistoryItems[i]) != len(b.HistoryWeights[i]) {
				t.Error("a history without weights")
			}
		}
	case *trainingrun.Holdout:
		same(len(b.EventIDs), len(b.ItemIDs), len(b.EventTypes), len(b.Values), len(b.HasValue), len(b.OccurredAts), len(b.Answers))
	}
}
