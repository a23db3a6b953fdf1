package batchlists

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// list returns the list of user n, with n % (k + 1) items.
func list(n, k int) recommend.List {
	k = min(k, 10)
	l := recommend.List{UserID: fmt.Sprintf("u%06d", n), RecommendationID: fmt.Sprintf("%032d", n), Version: 7, Stage: recommend.Session, EventsNotFolded: n % 2}
	for i := range n % (k + 1) {
		l.Items = append(l.Items, recommend.Ranked{Rank: i + 1, Item: recsys.Item{ItemID: fmt.Sprintf("item-%d", n*i)}, Score: 1 / float64(n+i)})
	}
	return l
}

func TestFiles(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 9, 3, 31, 0, 123_456_789, time.UTC)
	write := func(t *testing.T, n, k int, maxBytes int64) (files [][]byte) {
		dir := t.TempDir()
		f := &Files{Dir: dir, K: k, MaxBytes: maxBytes}
		var rows int64
		f.Put = func(part int, content io.ReadSeeker, r, size int64) error {
			require.Equal(t, part, len(files))
			data, err := io.ReadAll(content)
			require.NoError(t, err)
			require.EqualValues(t, size, len(data))
			files, rows = append(files, data), rows+r
			return nil
		}
		defer f.Abort()
		for i := range n {
			require.NoError(t, f.Write(list(i, k), at))
		}
		require.NoError(t, f.Close())
		require.EqualValues(t, n, rows)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "no temporary file is left")
		return files
	}
	check := func(t *testing.T, files [][]byte, n, k int) {
		i := 0
		for _, data := range files {
			rows, err := parquet.Read[row](bytes.NewReader(data), int64(len(data)))
			require.NoError(t, err)
			for _, r := range rows {
				want := list(i, k)
				require.Equal(t, []any{want.UserID, want.RecommendationID, want.Version, want.Stage, int64(want.EventsNotFolded), at.Truncate(time.Millisecond)},
					[]any{r.UserID, r.RecommendationID, r.Version, r.Stage, r.EventsNotFolded, r.GeneratedAt.UTC()})
				require.Len(t, r.Items, len(want.Items))
				for j, x := range want.Items {
					require.Equal(t, item{x.ItemID, int32(x.Rank), x.Score}, r.Items[j])
				}
				i++
			}
		}
		require.Equal(t, n, i)
	}

	t.Run("it writes one row a user", func(t *testing.T) {
		files := write(t, 1000, 10, 0)
		require.Equal(t, 1, len(files))
		check(t, files, 1000, 10)
	})
	t.Run("it begins another file once one has its size", func(t *testing.T) {
		const k = itemsPerGroup / 200 // 200 rows a row group
		files := write(t, 500, k, 1)
		require.Equal(t, 3, len(files))
		check(t, files, 500, k)
	})
	t.Run("it ends with the last row group", func(t *testing.T) {
		require.Equal(t, 2, len(write(t, 400, itemsPerGroup/200, 1)), "no empty file follows")
	})
	t.Run("it writes a file without rows", func(t *testing.T) {
		check(t, write(t, 0, 10, 0), 0, 10)
	})
	t.Run("it reports that a file could not be put", func(t *testing.T) {
		broken := errors.New("broken")
		f := &Files{Dir: t.TempDir(), K: 5, Put: func(int, io.ReadSeeker, int64, int64) error { return broken }}
		require.NoError(t, f.Write(list(1, 5), at))
		require.ErrorIs(t, f.Close(), broken)
		f.Abort()
	})
}

func TestFiles_have_the_schema_of_the_documentation(t *testing.T) {
	t.Parallel()
	require.Equal(t, `message row {
	required binary user_id (STRING);
	required binary recommendation_id (STRING);
	required int64 version (INT(64,true));
	required binary stage (STRING);
	required int64 events_not_folded (INT(64,true));
	required int64 generated_at (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	required group items (LIST) {
		repeated group list {
			required group element {
				required binary item_id (STRING);
				required int32 rank (INT(32,true));
				required double score;
			}
		}
	}
}`, parquet.SchemaOf(row{}).String())
}

func users(t *testing.T, content []byte) (ids []string, err error) {
	t.Helper()
	f, err := tabular.OpenStream(t.Context(), "list-users/x", bytes.NewReader(content), t.TempDir(), func(int64) {})
	require.NoError(t, err)
	defer f.Close()
	err = EachUser(t.Context(), f, func(id string) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

func TestEachUser(t *testing.T) {
	t.Parallel()
	var packed, columns bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("a\nb\n"))
	require.NoError(t, z.Close())
	require.NoError(t, parquet.Write(&columns, []struct {
		Other  int64  `parquet:"other"`
		UserID string `parquet:"user_id"`
	}{{1, "a"}, {2, "b"}}))
	for name, content := range map[string]string{
		"a line each":          "a\nb\n",
		"blank lines and CRLF": "\r\n a \r\n\r\nb",
		"a byte order mark":    "\xef\xbb\xbfa\nb\n",
		"UTF-16":               "\xff\xfea\x00\n\x00b\x00",
		"CSV of one column":    "user_id\na\nb\n",
		"CSV of several":       "n;User_ID\n1;a\n2;\"b\"\n",
		"JSON Lines":           `{"user_id":"a"}` + "\n" + `{"n":1,"user_id":"b"}`,
		"gzip":                 packed.String(),
		"Parquet":              columns.String(),
	} {
		ids, err := users(t, []byte(content))
		require.NoError(t, err, name)
		require.Equal(t, []string{"a", "b"}, ids, name)
	}
	for name, c := range map[string]struct{ content, says string }{
		"another column":      {"user,n\na,1\n", "has no column user_id"},
		"a control character": {"a\nsecret\x01\n", "line 2: user_id contains a control character"},
		"a long id":           {"a\n" + strings.Repeat("x", 257) + "\n", "line 2: user_id is 257 bytes long"},
		"an empty cell":       {"user_id,n\na,1\n,2\n", "line 3: user_id is empty"},
		"a missing cell":      {"user_id,n\na,1\nb\n", "line 3"},
		"no key":              {`{"user_id":"a"}` + "\n{}\n", "line 2: user_id is empty"},
		"no rows":             {"", "is empty"},
		"binary":              {"a\x00\x00\x00", "is binary"},
	} {
		_, err := users(t, []byte(c.content))
		require.ErrorIs(t, err, recsys.ErrDataInvalid, name)
		require.ErrorContains(t, err, c.says, name)
		require.ErrorContains(t, err, "list-users/x", name)
		require.NotContains(t, err.Error(), "secret", name)
	}
	f, err := tabular.OpenStream(t.Context(), "x", strings.NewReader("a\n"), t.TempDir(), func(int64) {})
	require.NoError(t, err)
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, EachUser(ctx, f, func(string) error { return nil }), context.Canceled)
}

func BenchmarkFiles(b *testing.B) {
	f := &Files{Dir: b.TempDir(), K: 100, Put: func(_ int, _ io.ReadSeeker, rows, size int64) error {
		b.ReportMetric(float64(size)/float64(rows), "B/list")
		return nil
	}}
	var lists []recommend.List
	for n := range 1000 {
		l := list(n, 0)
		for i := range 100 {
			l.Items = append(l.Items, recommend.Ranked{Rank: i + 1, Item: recsys.Item{ItemID: fmt.Sprintf("item-%07d", (n*7919+i*104729)%63417)}, Score: 1 / float64(n*100+i+1)})
		}
		lists = append(lists, l)
	}
	at := time.Now()
	for n := 0; b.Loop(); n++ {
		require.NoError(b, f.Write(lists[n%1000], at))
	}
	require.NoError(b, f.Close())
}

var updateGolden = flag.Bool("update-golden", false, "write testdata/lists.parquet")

// glue/tests/test_athena.py reads the sample with the columns of docs/athena/lists.sql.
func TestFiles_sample_is_up_to_date(t *testing.T) {
	t.Parallel()
	const golden = "testdata/lists.parquet"
	at := time.Date(2025, 1, 9, 3, 31, 0, 123_000_000, time.UTC)
	f := &Files{Dir: t.TempDir(), K: 3, Put: func(_ int, content io.ReadSeeker, _, _ int64) error {
		got, err := io.ReadAll(content)
		require.NoError(t, err)
		if *updateGolden {
			require.NoError(t, os.WriteFile(golden, got, 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "run this test with -update-golden, and glue/tests/test_athena.py")
		return nil
	}}
	for n := range 4 { // with 0 to 3 items
		l := list(n, 3)
		l.Stage = []string{recommend.Popular, recommend.Session, recommend.Personalized}[n%3]
		require.NoError(t, f.Write(l, at.Add(time.Duration(n)*time.Second)))
	}
	require.NoError(t, f.Close())
}

func TestAllUsers_merges_trained_and_new_users(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var want []string
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 2*usersPerPage + 1, Change: func(d *postgrestest.Data) {
		for _, u := range d.Users {
			want = append(want, u.ID)
		}
	}})
	for i, user := range []string{"a first", "u00007 new", "u02000 new", "z last", "u00003"} {
		postgrestest.Stream(t, s, recsys.Event{
			EventID: fmt.Sprint(i), UserID: user, ItemID: "i", EventType: recsys.Click, OccurredAt: v.Coverage.To.Add(time.Hour),
		})
		want = append(want, user)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	for _, n := range []int{1, 3} {
		var got []string
		for i := range n {
			var window []string
			for id, err := range AllUsers(t.Context(), s.EmbeddingStore, v, backfill.WindowHashes(i, n)) {
				require.NoError(t, err)
				window = append(window, id)
			}
			require.True(t, slices.IsSorted(window))
			got = append(got, window...)
		}
		slices.Sort(got)
		require.True(t, slices.Equal(want, got), "every user once")
	}
	for range AllUsers(t.Context(), s.EmbeddingStore, v, backfill.WindowHashes(0, 1)) {
		break
	}
	for _, err := range AllUsers(t.Context(), s.EmbeddingStore, recsys.Version{ID: 77}, backfill.HashRange{}) {
		require.ErrorIs(t, err, recsys.ErrVersionGone)
	}
}
