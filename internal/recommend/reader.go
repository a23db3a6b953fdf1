package recommend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// Data is what a Reader reads. *vectorstore.Store is one.
type Data interface {
	UserStates(ctx context.Context, v recsys.Version, userIDs []string) ([]vectorstore.UserState, error)
	ItemVectors(ctx context.Context, v recsys.Version, itemIDs []string) (map[string][]float32, error)
	NearestEach(ctx context.Context, v recsys.Version, queries []vectorstore.Query, emit func(i int, hits []vectorstore.Hit)) error
	Popular(ctx context.Context, v recsys.Version, q vectorstore.Query) ([]vectorstore.Hit, error)
}

var _ Data = (*vectorstore.Store)(nil)

// Reader makes lists from one version, and keeps what it reads for the next
// ones: item vectors within a bound, and the popular list for popularFor. Its
// lists share one category and one set of tags: the popular list is kept without
// them. It is not safe for concurrent use, apart from the methods that say so.
type Reader struct {
	data     Data
	version  recsys.Version
	manifest *recsys.Manifest
	folder   *Folder

	popular []vectorstore.Hit // the longest popular list read so far
	ended   bool              // popular holds every eligible item
	readAt  time.Time         // when popular was read
	now     func() time.Time
}

// popularFor is how long the popular list is kept: so long may an item that has
// become unavailable still be listed there.
const popularFor = 30 * time.Second

// NewReader makes a Reader of a version and its manifest, which need not be live.
func NewReader(data Data, v recsys.Version, m *recsys.Manifest) *Reader {
	return &Reader{data: data, version: v, manifest: m, folder: NewFolder(data, v, m), now: time.Now}
}

// Version is the version that is read.
func (r *Reader) Version() recsys.Version { return r.version }

// Interest says what events weigh under the version.
func (r *Reader) Interest() recsys.Interest { return r.manifest.Interest }

// CacheUse counts the items that were asked for since the Reader was made: those
// that were there, and those that had to be read.
func (r *Reader) CacheUse() (hits, misses int64) {
	return r.folder.cache.hits.Load(), r.folder.cache.misses.Load()
}

// listFormat is part of every configuration hash; raise it when the same state
// begins to give another list.
const listFormat = 1

// ConfigHash identifies what shapes a list besides the user's state and the
// version's data: 16 hex digits.
func (r *Reader) ConfigHash(req Request) string {
	shape, err := json.Marshal(struct {
		Format      int
		K           int
		Category    string
		Tags        []string
		IncludeSeen bool
		Search      recsys.Search
	}{listFormat, req.K, req.Category, slices.Sorted(slices.Values(req.Tags)), req.IncludeSeen, r.version.Search})
	if err != nil {
		panic(err) // numbers, strings and booleans
	}
	sum := sha256.Sum256(shape)
	return hex.EncodeToString(sum[:8])
}
