package embeddings_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/embeddings"
	"github.com/recflow/recflow/internal/embeddings/embeddingstest"
	"github.com/recflow/recflow/internal/recsys"
)

// FuzzReader decodes anything as any kind of file. Whatever comes, the reader
// gives back batches that keep their promises or an error that blames the file.
//
//	go test -run '^$' -fuzz FuzzReader -fuzztime 60s -fuzzminimizetime 10x ./internal/embeddings
//
// Pools and goroutines make the coverage waver, which keeps the minimizer busy
// for its whole minute at every new input unless it is bounded.
func FuzzReader(f *testing.F) {
	const k = 4
	kinds := []string{recsys.ItemsFile, recsys.UsersFile, recsys.HoldoutFile}
	for _, version := range []int{1, 2} {
		small := []parquet.WriterOption{parquet.DataPageVersion(version), parquet.PageBufferSize(256)}
		items, _ := embeddingstest.File(f, kinds[0], embeddingstest.Items(0, 12, k), small...)
		users, _ := embeddingstest.File(f, kinds[1], embeddingstest.Users(0, 12, k, 10), small...)
		events, _ := embeddingstest.File(f, kinds[2], embeddingstest.Events(12), small...)
		for i, content := range [][]byte{items, users, events} {
			f.Add(content, byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, kind byte) {
		entry := recsys.File{Kind: kinds[int(kind)%len(kinds)], Key: "key", Bytes: int64(len(content)), Rows: claimedRows(content)}
		err := readAll(content, entry, k, func(b embeddings.Batch) { checkPromises(t, b, k) })
		if err != nil && !errors.Is(err, recsys.ErrManifestInvalid) {
			t.Errorf("the file is not blamed: %v", err)
		}
	})
}

// claimedRows lets the fuzzer get past the comparison with the manifest.
func claimedRows(content []byte) (rows int64) {
	defer func() { _ = recover() }()
	if embeddings.CheckFooter(bytes.NewReader(content), int64(len(content))) != nil {
		return 0
	}
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0
	}
	return file.NumRows()
}

func checkPromises(t *testing.T, batch embeddings.Batch, k int) {
	n := batch.Rows()
	if n == 0 {
		t.Error("a batch is empty")
	}
	same := func(lengths ...int) {
		for _, length := range lengths {
			if length != n {
				t.Errorf("columns of different length: %v", lengths)
			}
		}
	}
	switch b := batch.(type) {
	case *embeddings.Items:
		same(len(b.Vectors)/k, len(b.Titles), len(b.Categories), len(b.Tags), len(b.Available), len(b.Popularity))
		for _, id := range b.IDs {
			if err := recsys.CheckID("item_id", id); err != nil {
				t.Error(err)
			}
		}
	case *embeddings.Users:
		same(len(b.Vectors)/k, len(b.HasVector), len(b.HistoryItems), len(b.HistoryWeights), len(b.ReferenceTimes), len(b.MetItems))
		for i := range b.HistoryItems {
			if len(b.HistoryItems[i]) != len(b.HistoryWeights[i]) {
				t.Error("a history without its weights")
			}
		}
	case *embeddings.Holdout:
		same(len(b.EventIDs), len(b.ItemIDs), len(b.EventTypes), len(b.Values), len(b.HasValue), len(b.OccurredAts), len(b.Answers))
	}
}
