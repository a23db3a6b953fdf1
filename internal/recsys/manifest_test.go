package recsys_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

// validManifest returns a valid manifest.
func validManifest() *recsys.Manifest {
	file := func(kind string, n int) recsys.File {
		return recsys.File{
			Kind: kind, Key: fmt.Sprintf("embeddings/run=r1/%s/part-%05d.parquet", kind, n),
			Bytes: 100, SHA256: strings.Repeat("ab", 32), Rows: 10,
		}
	}
	return &recsys.Manifest{
		SchemaVersion: recsys.ManifestSchemaVersion, RunID: "r1", Dimension: 2,
		Parameters:   recsys.Parameters{Trainer: recsys.ALS, Rank: 2, Alpha: 5, Regularization: 0.1, RegularizationExponent: 1, MeanItems: 1},
		Interest:     recsys.DefaultInterest(),
		Gram:         []float64{1, 0, 0, 1},
		Coverage:     recsys.Coverage{To: noon, StoredTo: noon},
		HoldoutBound: "1999999999999999",
		Files:        []recsys.File{file(recsys.ItemsFile, 0), file(recsys.ItemsFile, 1), file(recsys.UsersFile, 0)},
	}
}

func TestParseManifest(t *testing.T) {
	t.Run("it accepts a valid one", func(t *testing.T) {
		data, err := json.Marshal(validManifest())
		require.NoError(t, err)
		m, err := recsys.ParseManifest("r1", data)
		require.NoError(t, err)
		assert.Equal(t, int64(20), m.Rows(recsys.ItemsFile))
		assert.Equal(t, 2, m.FoldIn().Dimension)
		assert.Nil(t, m.Similar)
		assert.Zero(t, m.SimilarBeta())
	})

	mistakes := []struct {
		it    string
		apply func(m *recsys.Manifest)
		want  string
	}{
		{"is of another run", func(m *recsys.Manifest) { m.RunID = "r2" }, `to run "r2", not to "r1"`},
		{"has an unknown schema version", func(m *recsys.Manifest) { m.SchemaVersion = 2 }, "schema_version is 2"},
		{"has no dimension", func(m *recsys.Manifest) { m.Dimension = 0 }, "dimension is 0"},
		{"has a huge dimension", func(m *recsys.Manifest) { m.Dimension = 100_000 }, "dimension is 100000"},
		{"contradicts its rank", func(m *recsys.Manifest) { m.Parameters.Rank = 3 }, "rank is 3 but dimension is 2"},
		{"has a negative alpha", func(m *recsys.Manifest) { m.Parameters.Alpha = -1 }, "alpha is -1"},
		{"has a short gram matrix", func(m *recsys.Manifest) { m.Gram = m.Gram[:3] }, "gram has 3 values"},
		{"has a huge weight", func(m *recsys.Manifest) { m.Interest.Weights["view"] = 1e7 }, `weight of "view"`},
		{"has an unknown β", func(m *recsys.Manifest) { m.Similar = &recsys.Similar{Beta: 0.3} }, "similar.beta is 0.3; 0, 0.25, 0.5, 0.75 and 1 are known"},
		{"has no coverage", func(m *recsys.Manifest) { m.Coverage = recsys.Coverage{} }, "coverage has no end"},
		{"covers nothing", func(m *recsys.Manifest) { m.Coverage.From = noon.Add(time.Hour) }, "is not before to"},
		{"has an invalid hold-out", func(m *recsys.Manifest) { m.HoldoutBound = "10 %" }, "holdout_bound"},
		{"has a malformed set hash", func(m *recsys.Manifest) { m.Input.Streamed.Hash = "xyz" }, "input.streamed.hash"},
		{"is of an unknown trainer", func(m *recsys.Manifest) { m.Parameters.Trainer = "svd" }, `trainer is "svd"`},
		{"has a negative exponent", func(m *recsys.Manifest) { m.Parameters.RegularizationExponent = -1 }, "regularization_exponent"},
		{"has no mean number of items", func(m *recsys.Manifest) { m.Parameters.MeanItems = 0 }, "mean_items"},
		{"has no items", func(m *recsys.Manifest) { m.Files = m.Files[2:] }, "no items"},
		{"names a file of an unknown kind", func(m *recsys.Manifest) { m.Files[0].Kind = "gram" }, `kind "gram"`},
		{"names a file of another run", func(m *recsys.Manifest) { m.Files[0].Key = "embeddings/run=r9/items/a" }, "is not under"},
		{"names a file outside of its prefix", func(m *recsys.Manifest) { m.Files[0].Key = "embeddings/run=r1/items/../../x" }, "is not under"},
		{"lists users as items", func(m *recsys.Manifest) { m.Files[0].Key = m.Files[2].Key }, "is not under"},
		{"lists a file twice", func(m *recsys.Manifest) { m.Files[1] = m.Files[0] }, "listed twice"},
		{"names an empty file", func(m *recsys.Manifest) { m.Files[0].Bytes = 0 }, "0 bytes"},
		{"names an enormous file", func(m *recsys.Manifest) { m.Files[0].Bytes = 1 << 40 }, "bytes; 1 to"},
		{"has a short hash", func(m *recsys.Manifest) { m.Files[0].SHA256 = "abcd" }, "sha256"},
		{"has a hash in capitals", func(m *recsys.Manifest) { m.Files[0].SHA256 = strings.Repeat("AB", 32) }, "sha256"},
		{"has negative rows", func(m *recsys.Manifest) { m.Files[0].Rows = -5 }, "-5 rows"},
		{"has too many rows", func(m *recsys.Manifest) { m.Files[0].Rows = 1 << 40 }, "rows; 0 to"},
		{"names ten thousand files", func(m *recsys.Manifest) { m.Files = make([]recsys.File, 10_000) }, "10000 files are listed"},
	}
	for _, mistake := range mistakes {
		t.Run("it refuses one that "+mistake.it, func(t *testing.T) {
			m := validManifest()
			mistake.apply(m)
			data, err := json.Marshal(m)
			require.NoError(t, err)
			_, err = recsys.ParseManifest("r1", data)
			require.ErrorIs(t, err, recsys.ErrManifestInvalid)
			assert.ErrorContains(t, err, mistake.want)
		})
	}

	for it, data := range map[string]string{
		"is not JSON":       "manifest!",
		"is truncated":      `{"schema_version": 1, "run_id": "r1"`,
		"has trailing data": `{"schema_version": 1} {}`,
		"has another shape": `{"schema_version": 1, "files": "all of them"}`,
		"contains a NaN":    `{"schema_version": 1, "gram": [NaN]}`,
	} {
		t.Run("it refuses one that "+it, func(t *testing.T) {
			_, err := recsys.ParseManifest("r1", []byte(data))
			assert.ErrorIs(t, err, recsys.ErrManifestInvalid)
		})
	}

	t.Run("it rejects an oversized one before reading it", func(t *testing.T) {
		_, err := recsys.ParseManifest("r1", make([]byte, recsys.MaxManifestBytes+1))
		assert.ErrorContains(t, err, "at most")
	})

	t.Run("it reports all mistakes at once, up to a limit", func(t *testing.T) {
		m := validManifest()
		m.Dimension, m.HoldoutBound = 0, ""
		for range 100 {
			m.Files = append(m.Files, recsys.File{})
		}
		err := m.Validate()
		assert.ErrorContains(t, err, "dimension")
		assert.ErrorContains(t, err, "holdout_bound")
		assert.ErrorContains(t, err, "and more")
		assert.Less(t, len(err.Error()), 4096)
	})
}

func TestCheckID(t *testing.T) {
	require.NoError(t, recsys.CheckID("user_id", "ü-1"))
	for it, id := range map[string]string{
		"empty": "", "long": strings.Repeat("x", 257), "not UTF-8": "a\xff", "with a control character": "a\x00b",
	} {
		t.Run("it refuses one that is "+it, func(t *testing.T) {
			err := recsys.CheckID("user_id", id)
			require.ErrorContains(t, err, "user_id")
			if id != "" {
				assert.NotContains(t, err.Error(), id, "it does not repeat ids in messages")
			}
		})
	}
	t.Run("it derives the id of a row from the file and the row", func(t *testing.T) {
		assert.Equal(t, recsys.RowEventID("f", 1), recsys.RowEventID("f", 1))
		assert.NotEqual(t, recsys.RowEventID("f", 1), recsys.RowEventID("f", 2))
	})
}
