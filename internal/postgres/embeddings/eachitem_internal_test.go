package embeddings

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
)

// copied is the data of a COPY TO in binary format of rows with one column; a nil
// value is null.
func copied(values ...[]byte) []byte {
	data := bytes.Clone(postgres.CopyHeader)
	for _, v := range values {
		data = append(data, 0, 1)
		if v == nil {
			data = binary.BigEndian.AppendUint32(data, 0xffffffff)
			continue
		}
		data = binary.BigEndian.AppendUint32(data, uint32(len(v)))
		data = append(data, v...)
	}
	return append(data, 0xff, 0xff)
}

func TestCopyReader(t *testing.T) {
	t.Parallel()
	t.Run("it reads rows in pieces of any size", func(t *testing.T) {
		t.Parallel()
		data := copied([]byte("one"), []byte{}, []byte("three"))
		for size := 1; size <= len(data); size++ {
			var got []string
			r := &copyReader{columns: 1, emit: func(fields [][]byte) error {
				got = append(got, string(fields[0]))
				return nil
			}}
			for piece := range slices.Chunk(data, size) {
				_, err := r.Write(piece)
				require.NoError(t, err)
			}
			require.Equal(t, []string{"one", "", "three"}, got, "pieces of %d bytes", size)
			require.True(t, r.ended)
		}
	})
	t.Run("it rejects data in another format", func(t *testing.T) {
		t.Parallel()
		for name, data := range map[string][]byte{
			"another header":                   append([]byte("PGCOPX"), make([]byte, 20)...),
			"another number of columns":        append(bytes.Clone(postgres.CopyHeader), 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
			"a null in a column that has none": copied(nil),
		} {
			r := &copyReader{columns: 1, emit: func([][]byte) error { return nil }}
			_, err := r.Write(data)
			require.ErrorIs(t, err, errCopyFormat, name)
		}
	})
}
