package trainingrun_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/safeparquet/safeparquettest"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// A corpus case is a file and the expected error.
type malformed struct {
	content []byte
	file    recsys.File
	says    string
}

// breakItem returns items of which the one in row 7 is changed.
func breakItem(t *testing.T, says string, change func(*trainingruntest.Item)) malformed {
	items := trainingruntest.Items(0, 20, k)
	change(&items[6])
	content, f := trainingruntest.File(t, recsys.ItemsFile, items)
	return malformed{content, f, says}
}

func breakUser(t *testing.T, says string, change func(*trainingruntest.User)) malformed {
	users := trainingruntest.Users(0, 20, k, 100)
	users[6] = trainingruntest.User{
		UserID: "u", Embedding: trainingruntest.Items(0, 1, k)[0].Embedding, HistoryItems: []string{"a", "b"},
		HistoryWeights: []float32{1, 2}, ReferenceTime: time.Unix(1.6e9, 0), SeenItems: []string{"c"},
	}
	change(&users[6])
	content, f := trainingruntest.File(t, recsys.UsersFile, users)
	return malformed{content, f, says}
}

func breakEvent(t *testing.T, says string, change func(*trainingruntest.Event)) malformed {
	events := trainingruntest.Events(20)
	change(&events[6])
	content, f := trainingruntest.File(t, recsys.HoldoutFile, events)
	return malformed{content, f, says}
}

func corpus(t *testing.T) map[string]malformed {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	wide := math.Inf(-1)
	type item = trainingruntest.Item
	type user = trainingruntest.User
	type event = trainingruntest.Event
	cases := map[string]malformed{
		"an item without id":                          breakItem(t, "row 7: item_id: it is null", func(i *item) { i.ItemID = "" }),
		"an id of 10 kB":                              breakItem(t, "row 7: item_id: it is 10000 bytes long", func(i *item) { i.ItemID = strings.Repeat("x", 10_000) }),
		"an id that is not UTF-8":                     breakItem(t, "row 7: item_id: it is not valid UTF-8", func(i *item) { i.ItemID = "a\xff" }),
		"an id with a control":                        breakItem(t, "row 7: item_id: it contains a control character", func(i *item) { i.ItemID = "a\nb" }),
		"a short vector":                              breakItem(t, "row 7: embedding: it has 15 dimensions, want 16", func(i *item) { i.Embedding = i.Embedding[1:] }),
		"a long vector":                               breakItem(t, "row 7: embedding: it has 17 dimensions, want 16", func(i *item) { i.Embedding = append(i.Embedding, 1) }),
		"no vector":                                   breakItem(t, "row 7: embedding: it is null", func(i *item) { i.Embedding = nil }),
		"a null in a vector":                          breakItem(t, "row 7: embedding: value 3 is null", func(i *item) { i.Embedding[3] = 0 }),
		"NaN":                                         breakItem(t, "row 7: embedding: it has a value that is not a finite number", func(i *item) { i.Embedding[15] = nan }),
		"infinity":                                    breakItem(t, "row 7: embedding: it has a value that is not a finite number", func(i *item) { i.Embedding[0] = -inf }),
		"a title of 20 kB":                            breakItem(t, "row 7: title: it is 20000 bytes long", func(i *item) { i.Title = strings.Repeat("x", 20_000) }),
		"a title with a NUL character":                breakItem(t, "row 7: title: it contains a NUL character", func(i *item) { i.Title = "a\x00b" }),
		"a category of 2 kB":                          breakItem(t, "row 7: category: it is 2000 bytes long", func(i *item) { i.Category = strings.Repeat("x", 2_000) }),
		"2,000 tags":                                  breakItem(t, "row 7: tags: it has 2000 elements; at most 1024", func(i *item) { i.Tags = strings.Split(strings.Repeat("t,", 1999)+"t", ",") }),
		"a tag of 2 kB":                               breakItem(t, "row 7: tags: it is 2000 bytes long", func(i *item) { i.Tags = []string{strings.Repeat("x", 2_000)} }),
		"unknown availability":                        breakItem(t, "row 7: available: it is null", func(i *item) { i.Available = nil }),
		"an infinite popularity":                      breakItem(t, "row 7: popularity: it is -Inf", func(i *item) { i.Popularity = &wide }),
		"a user without id":                           breakUser(t, "row 7: user_id: it is null", func(u *user) { u.UserID = "" }),
		"a short user vector":                         breakUser(t, "row 7: embedding: it has 2 dimensions, want 16", func(u *user) { u.Embedding = u.Embedding[:2] }),
		"NaN for a user":                              breakUser(t, "row 7: embedding: it has a value", func(u *user) { u.Embedding[1] = nan }),
		"a weight too few":                            breakUser(t, "row 7: history_weights: it has 1 values for 2 items", func(u *user) { u.HistoryWeights = u.HistoryWeights[:1] }),
		"a negative weight":                           breakUser(t, "row 7: history_weights: it has the weight -1", func(u *user) { u.HistoryWeights[1] = -1 }),
		"an infinite weight":                          breakUser(t, "row 7: history_weights: it has the weight +Inf", func(u *user) { u.HistoryWeights[1] = inf }),
		"a null weight":                               breakUser(t, "row 7: history_weights: it contains a null", func(u *user) { u.HistoryWeights[1] = 0 }),
		"a history without a time":                    breakUser(t, "row 7: reference_time: it is null although", func(u *user) { u.ReferenceTime = time.Time{} }),
		"a history item of 10 kB":                     breakUser(t, "row 7: history_items: it is 10000 bytes long", func(u *user) { u.HistoryItems[0] = strings.Repeat("x", 10_000) }),
		"a seen item without id":                      breakUser(t, "row 7: seen_items: it contains a null", func(u *user) { u.SeenItems = []string{"a", ""} }),
		"an event without id":                         breakEvent(t, "row 7: event_id: it is null", func(e *event) { e.EventID = "" }),
		"an event without type":                       breakEvent(t, "row 7: event_type: it is null", func(e *event) { e.EventType = "" }),
		"an event without time":                       breakEvent(t, "row 7: occurred_at: it is null", func(e *event) { e.OccurredAt = time.Time{} }),
		"an event in the year 20000":                  breakEvent(t, "row 7: occurred_at: it is not between", func(e *event) { e.OccurredAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"an event of infinite value":                  breakEvent(t, "row 7: value: it has a value that is not", func(e *event) { e.Value = &wide }),
		"an event that is neither history nor answer": breakEvent(t, "row 7: answer: it is null", func(e *event) { e.Answer = nil }),
		"a file of another kind":                      withKind(breakItem(t, "column user_id is missing", func(*item) {}), recsys.UsersFile),
		"a kind that does not exist":                  withKind(breakItem(t, `kind "other" is unknown`, func(*item) {}), "other"),
		"a manifest with a row more":                  withRows(breakItem(t, "it has 20 rows, its footer says 20 and the manifest 21", func(*item) {}), 21),
		"a manifest without any rows":                 withRows(breakItem(t, "and the manifest 0", func(*item) {}), 0),
	}
	for name, c := range wrongSchemas(t) {
		cases[name] = c
	}
	return cases
}

func withKind(m malformed, kind string) malformed { m.file.Kind = kind; return m }
func withRows(m malformed, rows int64) malformed  { m.file.Rows = rows; return m }

// wrongSchemas are items files with almost the right schema.
func wrongSchemas(t *testing.T) map[string]malformed {
	// rest has the columns common to all of them; strict has required elements
	// in its vectors, so that it can store zeros.
	type rest struct {
		Category   string   `parquet:"category,optional,snappy,plain"`
		Tags       []string `parquet:"tags,optional,list,snappy" parquet-element:",plain"`
		Available  bool     `parquet:"available,snappy"`
		Popularity float64  `parquet:"popularity,snappy"`
	}
	type strict struct {
		ItemID    string    `parquet:"item_id,snappy,plain"`
		Embedding []float32 `parquet:"embedding,list,snappy"`
		Title     string    `parquet:"title,optional,snappy,plain"`
		rest
	}
	type doubles struct {
		ItemID    string    `parquet:"item_id,snappy,plain"`
		Embedding []float64 `parquet:"embedding,list,snappy"`
		Title     string    `parquet:"title,optional,snappy,plain"`
		rest
	}
	type repeated struct {
		ItemID    string    `parquet:"item_id,snappy,plain"`
		Embedding []float32 `parquet:"embedding,snappy"`
		Title     string    `parquet:"title,optional,snappy,plain"`
		rest
	}
	type binaryID struct {
		ItemID    []byte    `parquet:"item_id,snappy,plain"`
		Embedding []float32 `parquet:"embedding,list,snappy"`
		Title     string    `parquet:"title,optional,snappy,plain"`
		rest
	}
	type gzipped struct {
		ItemID    string    `parquet:"item_id,snappy,plain"`
		Embedding []float32 `parquet:"embedding,list,snappy"`
		Title     string    `parquet:"title,optional,gzip,plain"`
		rest
	}
	type delta struct {
		ItemID    string    `parquet:"item_id,snappy,plain"`
		Embedding []float32 `parquet:"embedding,list,snappy"`
		Title     string    `parquet:"title,optional,snappy,delta"`
		rest
	}
	type millis struct {
		UserID     string    `parquet:"user_id,snappy,plain"`
		EventID    string    `parquet:"event_id,snappy,plain"`
		ItemID     string    `parquet:"item_id,snappy,plain"`
		EventType  string    `parquet:"event_type,snappy,plain"`
		Value      float64   `parquet:"value,snappy"`
		OccurredAt time.Time `parquet:"occurred_at,optional,snappy,timestamp(millisecond)"`
		Answer     bool      `parquet:"answer,snappy"`
	}
	zero := make([]float32, k)
	good := strict{ItemID: "a", Embedding: []float32{k - 1: 1}}
	return map[string]malformed{
		"a zero vector":              fileOf(t, "row 2: embedding: all its values are zero", good, strict{ItemID: "b", Embedding: zero}),
		"a vector of negative zeros": fileOf(t, "row 1: embedding: all its values are zero", strict{ItemID: "b", Embedding: []float32{k - 1: float32(math.Copysign(0, -1))}}),
		"an empty vector":            fileOf(t, "row 2: embedding: it has 0 dimensions, want 16", good, strict{ItemID: "b", Embedding: []float32{}}),
		"an empty id":                fileOf(t, "row 1: item_id: it is empty", strict{Embedding: []float32{k - 1: 1}}),
		"vectors of doubles":         fileOf(t, "column embedding: it is a DOUBLE and not a FLOAT", doubles{}),
		"vectors without a list":     fileOf(t, "column embedding: it is not a list of three levels", repeated{}),
		"ids that are not text":      fileOf(t, "column item_id: it is binary and not a string", binaryID{}),
		"another compression":        fileOf(t, "column title: compression GZIP is not supported", gzipped{"a", good.Embedding, "x", rest{}}),
		"another encoding":           fileOf(t, "column title: encoding DELTA_BYTE_ARRAY is not supported", delta{"a", good.Embedding, "x", rest{}}),
		"times in milliseconds":      withKind(fileOf(t, "column occurred_at: it is not a timestamp in microseconds", millis{}), recsys.HoldoutFile),
		"a file without its category": fileOf(t, "column category is missing", struct {
			ItemID    string    `parquet:"item_id,snappy"`
			Embedding []float32 `parquet:"embedding,list,snappy"`
			Title     string    `parquet:"title,optional,snappy,plain"`
		}{}),
	}
}

func fileOf[T any](t *testing.T, says string, rows ...T) malformed {
	content, f := trainingruntest.File(t, recsys.ItemsFile, rows)
	return malformed{content, f, says}
}

func TestReader_rejects_malformed_files(t *testing.T) {
	t.Parallel()
	for name, c := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := readAll(c.content, c.file, k, func(trainingrun.Batch) {})
			require.ErrorIs(t, err, recsys.ErrManifestInvalid)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, c.file.Key)
		})
	}
}

// TestOpen_rejects_crafted_files opens files for which parquet-go would allocate until
// the process dies.
func TestOpen_rejects_crafted_files(t *testing.T) {
	t.Parallel()
	for _, files := range []map[string][]byte{safeparquettest.CraftedFooters(), safeparquettest.CraftedSchemas()} {
		for name, content := range files {
			f := recsys.File{Kind: recsys.ItemsFile, Key: "key", Bytes: int64(len(content)), Rows: 1}
			require.ErrorContains(t, readAll(content, f, k, func(trainingrun.Batch) {}), "malformed", name)
		}
	}
}

// TestReader_rejects_runs_beyond_their_page has definition levels in runs of 2 billion
// values, for each of which parquet-go would allocate 2 GB.
func TestReader_rejects_runs_beyond_their_page(t *testing.T) {
	t.Parallel()
	type plain struct {
		ItemID     *string   `parquet:"item_id,optional,plain"`
		Embedding  []float32 `parquet:"embedding,list"`
		Title      *string   `parquet:"title,optional,plain"`
		Category   *string   `parquet:"category,optional,plain"`
		Tags       []string  `parquet:"tags,optional,list" parquet-element:",plain"`
		Available  bool      `parquet:"available"`
		Popularity float64   `parquet:"popularity"`
	}
	rows := make([]plain, 2000)
	for i, item := range trainingruntest.Items(0, len(rows), k) {
		rows[i] = plain{ItemID: &item.ItemID, Embedding: make([]float32, k)}
		rows[i].Embedding[0] = 1
	}
	m := fileOf(t, "a page has runs of more values than it claims", rows...)
	require.NoError(t, readAll(m.content, m.file, k, func(trainingrun.Batch) {}))
	page := firstPage(t, m.content)
	runs := bytes.Repeat([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 1}, 1000)
	binary.LittleEndian.PutUint32(page, uint32(len(runs)))
	copy(page[4:], runs)
	err := readAll(m.content, m.file, k, func(trainingrun.Batch) {})
	require.ErrorIs(t, err, recsys.ErrManifestInvalid)
	require.ErrorContains(t, err, m.says)
}

// firstPage removes the checksum of the first page of a file, and returns the data of
// the page, which is not compressed.
func firstPage(t *testing.T, content []byte) []byte {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	at := content[file.Metadata().RowGroups[0].Columns[0].MetaData.DataPageOffset:]
	protocol := new(thrift.CompactProtocol)
	var header format.PageHeader
	require.NoError(t, thrift.NewDecoder(protocol.NewReaderFromBytes(at)).Decode(&header))
	size := func() int {
		data, err := thrift.Marshal(protocol, &header)
		require.NoError(t, err)
		return copy(at, data)
	}
	before := size()
	header.CRC = 0
	gained := int32(before - size())
	header.CompressedPageSize += gained
	header.UncompressedPageSize += gained
	require.EqualValues(t, gained, before-size())
	return at[size():][:header.CompressedPageSize]
}

// TestReader_survives_damaged_files truncates a file and inverts bits at many
// positions. The SHA-256 detects damage that still decodes; here the reader must
// not panic, hang or allocate without limit.
func TestReader_survives_damaged_files(t *testing.T) {
	t.Parallel()
	items := trainingruntest.Items(0, 300, k)
	content, f := trainingruntest.File(t, recsys.ItemsFile, items, parquet.PageBufferSize(4096))
	users, g := trainingruntest.File(t, recsys.UsersFile, trainingruntest.Users(0, 100, k, 100), parquet.PageBufferSize(4096))
	try := func(content []byte, f recsys.File) error {
		f.Bytes = int64(len(content)) // a file whose damage is not detected by its size
		return readAll(content, f, k, func(trainingrun.Batch) {})
	}
	require.NoError(t, try(content, f))
	require.NoError(t, try(users, g))

	for n := 0; n < len(content); n += 97 {
		require.ErrorIs(t, try(content[:n], f), recsys.ErrManifestInvalid, "truncated to %d bytes", n)
	}
	footer := len(content) - 8 - int(binary.LittleEndian.Uint32(content[len(content)-8:]))
	for _, region := range []struct {
		name        string
		from, to, n int // every n-th byte
	}{
		{"magic", 0, 4, 1},
		{"pages", 4, footer, 53},
		{"footer", footer, len(content) - 8, 1},
		{"end", len(content) - 8, len(content), 1},
	} {
		refused := 0
		for at := region.from; at < region.to; at += region.n {
			for _, bit := range []byte{0x01, 0x40, 0xff} {
				damaged := bytes.Clone(content)
				damaged[at] ^= bit
				if err := try(damaged, f); err != nil {
					require.ErrorIs(t, err, recsys.ErrManifestInvalid)
					refused++
				}
			}
		}
		require.Positive(t, refused, region.name)
	}
	for at := 4; at < len(users); at += 31 {
		damaged := bytes.Clone(users)
		damaged[at] ^= 0x10
		if err := try(damaged, g); err != nil {
			require.ErrorIs(t, err, recsys.ErrManifestInvalid)
		}
	}
}
