package importer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// tree writes files into a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
	}
	return dir
}

func parquetText(t *testing.T, rows ...map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct {
		UserID string `parquet:"user_id"`
		ItemID string `parquet:"item_id"`
	}](&b)
	for _, r := range rows {
		_, err := w.Write([]struct {
			UserID string `parquet:"user_id"`
			ItemID string `parquet:"item_id"`
		}{{r["user_id"], r["item_id"]}})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

func TestImport_reads_or_names_everything_in_a_folder(t *testing.T) {
	t.Parallel()
	const header = "user_id,item_id,timestamp\n"
	dir := tree(t, map[string]string{
		"part-00000.csv":                      "",
		"part-00001.csv":                      header,
		"part-00002.csv.gz":                   string(gz(t, nil)),
		"part-00003.jsonl":                    "\n\n",
		"part-00004.json":                     " [ ]\n",
		"part-00005.parquet":                  parquetText(t),
		"part-00006.csv":                      header + "u6,i,2026-01-01\n",
		"part-00007.json":                     "[{\"user_id\":\"u7\",\n\"item_id\":\"i\"}]",
		"part-00008.snappy.parquet":           parquetText(t, map[string]string{"user_id": "u8", "item_id": "i"}),
		"part-00009.csv":                      "item_id;user_id;rating\ni;u9;4\n",
		"dt=2026-01-02/hour=3/part-00000.csv": header + "u10,i,2026-01-02\n",
		"dt=2026-01-02/hour=3/_SUCCESS":       "",
		"zz-items.csv":                        "item_id,title\ni,Tea\n",
		".part-00000.csv.crc":                 "crc",
		"_SUCCESS":                            "",
		"_temporary/0/part-00000.csv":         header + "u,never,2026-01-01\n",
		"notes.txt":                           "n",
		"export.zip":                          "PK",
		"old.orc":                             "ORC",
		"book.XLSX":                           "PK",
		"a.csv.xz":                            "x",
	})
	elsewhere := tree(t, map[string]string{"day.csv": header + "u11,i,2026-01-01\n", "more/late.csv": header + "u12,i,2026-01-01\n"})
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "day.csv"), filepath.Join(dir, "link.csv")))
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "more"), filepath.Join(dir, "more")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "loop")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "gone.csv")))

	m := newMemory()
	o := options(t)
	o.Now = nil
	r, err := Import(t.Context(), m, []string{dir}, o)
	require.NoError(t, err)
	var files []string
	for _, f := range r.Files {
		name, err := filepath.Rel(dir, f.File)
		require.NoError(t, err)
		files = append(files, name)
	}
	require.Equal(t, []string{
		"zz-items.csv", "dt=2026-01-02/hour=3/part-00000.csv", "link.csv", "more/late.csv",
		"part-00006.csv", "part-00007.json", "part-00008.snappy.parquet", "part-00009.csv",
	}, files)
	require.EqualValues(t, 7, r.Events)
	require.Equal(t, []string{
		".part-00000.csv.crc: hidden",
		"_SUCCESS: a marker, not data",
		"_temporary: a marker, not data",
		"a.csv.xz: compressed with xz; decompress it, or use gzip, zstd or bzip2",
		"book.XLSX: a spreadsheet; save it as CSV",
		"dt=2026-01-02/hour=3/_SUCCESS: a marker, not data",
		"export.zip: an archive; unpack it",
		"gone.csv: a link to nothing",
		"loop: a link to a folder that contains it",
		"notes.txt: its name does not end with .csv, .tsv, .json, .jsonl, .ndjson or .parquet; name it on the command line to read it",
		"old.orc: a format that is not read; write it as Parquet, JSON lines or CSV",
		"part-00000.csv: is empty: has no rows",
		"part-00001.csv: has no rows below its header",
		"part-00002.csv.gz: has no rows",
		"part-00003.jsonl: has no rows",
		"part-00004.json: has no rows",
		"part-00005.parquet: has no rows",
	}, r.Ignored)
}

func TestImport_takes_columns_from_the_names_of_folders(t *testing.T) {
	t.Parallel()
	const rows = "user_id,item_id,ts\nu,i,2026-01-01\n"
	dir := tree(t, map[string]string{
		"event_type=view/part-0.csv":                       rows,
		"event_type=add%20to%20cart/part-0.csv":            rows,
		"event_type=__HIVE_DEFAULT_PARTITION__/part-0.csv": rows,
		"event_type=wrong/part-0.csv":                      "user_id,item_id,ts,event_type\nu,i,2026-01-01,own\n",
		"event_type=json/part-0.jsonl":                     `{"user_id":"u","item_id":"i","ts":"2026-01-01"}`,
		"event_type=parquet/session_id=s/part-0.parquet":   parquetText(t, map[string]string{"user_id": "u", "item_id": "i"}),
	})
	m := newMemory()
	o := options(t)
	o.Now = nil
	r, err := Import(t.Context(), m, []string{dir}, o)
	require.NoError(t, err)
	var types []string
	for _, e := range m.events(t) {
		types = append(types, e.EventType)
		require.Equal(t, e.EventType == "parquet", e.SessionID == "s")
	}
	require.ElementsMatch(t, []string{"view", "add to cart", "click", "own", "json", "parquet"}, types)
	require.EqualValues(t, 6, r.Events, "equal bytes in different folders are different rows")
}

func TestImport_names_why_a_folder_has_no_rows(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.csv": "", "b.csv": "user_id,item_id\n", "c.txt": "x"})
	_, err := Import(t.Context(), newMemory(), []string{dir}, options(t))
	require.EqualError(t, err, dir+" has no .csv, .tsv, .json, .jsonl, .ndjson or .parquet file with rows (a.csv: is empty: has no rows; "+
		"b.csv: has no rows below its header; c.txt: its name does not end with .csv, .tsv, .json, .jsonl, .ndjson or .parquet; name it on the command line to read it)")
}

func TestImport_names_the_file_of_an_error_once(t *testing.T) {
	t.Parallel()
	var broken bytes.Buffer
	broken.WriteString(parquetText(t, map[string]string{"user_id": "u", "item_id": "i"}))
	for name, c := range map[string]struct{ file, body, want string }{
		"empty":          {"a.csv", "", "is empty"},
		"no user":        {"a.csv", "who,item\nu,i\n", "no column looks like the user"},
		"truncated gzip": {"a.csv.gz", string(gz(t, noise(t))[:50_000]), "the gzip stream ends too early"},
		"zip":            {"a.zip", "PK\x03\x04", "is a zip archive or a spreadsheet; unpack it with unzip"},
		"Parquet":        {"a.parquet", broken.String()[:broken.Len()-9], "open Parquet"},
		"another format": {"a.parquet", broken.String(), "no"},
		"an open array":  {"a.json", `[{"user":"u","item":"i"}`, "the JSON array is not closed; the file is truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			if name == "another format" {
				o.Format, c.want = "csv", "is a Parquet file, not csv"
			}
			path := file(t, c.file, []byte(c.body))
			_, err := Import(t.Context(), newMemory(), []string{path}, o)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, 1, strings.Count(err.Error(), c.file), err)
		})
	}
}

func TestImport_says_how_to_convert_an_older_MovieLens_set(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"ratings.dat": "sed 's/::/", "u.data": "cat u.data"} {
		dir := tree(t, map[string]string{name: "1::2::5::978300760\n"})
		_, err := Import(t.Context(), newMemory(), []string{dir}, options(t))
		require.ErrorContains(t, err, "is an older MovieLens set ("+name+")")
		require.ErrorContains(t, err, want)
	}
}
