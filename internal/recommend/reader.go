package recommend

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recsys"
)

// Data is what a Reader reads. *embeddings.Store is one.
type Data interface {
	UserStates(ctx context.Context, v recsys.Version, userIDs []string) (states []recsys.UserState, itemRevision int64, err error)
	ItemVectors(ctx context.Context, v recsys.Version, itemIDs []string) (map[string][]float32, error)
	NearestEach(ctx context.Context, v recsys.Version, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error
	Popular(ctx context.Context, v recsys.Version, q recsys.Query) ([]recsys.Hit, error)
	EachItem(ctx context.Context, v recsys.Version, emit func(item recsys.Item, vector []float32) error) error
	Overrides(ctx context.Context) (overrides map[string]recsys.Override, revision int64, err error)
}

var _ Data = (*embeddings.Store)(nil)

// Reader makes lists from one version, and keeps what it reads for the next
// ones: item vectors within a bound, and the popular list of the filters asked
// for last, for as long as nothing has been said of an item meanwhile. It is not
// safe for concurrent use, apart from the methods that say so.
type Reader struct {
	// Memory is searched in place of Postgres when it holds the version at the time
	// of Read. It may be nil.
	Memory *Memory

	data     Data
	version  recsys.Version
	manifest *recsys.Manifest
	folder   *Folder

	held *held // of Memory, when Read looked last

	items   int64       // how often items had been changed when Read looked last
	popular popularList // the longest one read so far
}

// popularList is the popular items under some filters.
type popularList struct {
	hits    []recsys.Hit
	ended   bool // it holds every eligible item
	filters string
	items   int64 // Reader.items when it was read
}

// NewReader makes a Reader of a version and its manifest, which need not be live.
func NewReader(data Data, v recsys.Version, m *recsys.Manifest) *Reader {
	return &Reader{data: data, version: v, manifest: m, folder: NewFolder(data, v, m)}
}

// Version is the version that is read.
func (r *Reader) Version() recsys.Version { return r.version }

// Held is how many items of the version are in memory.
func (r *Reader) Held() int { return r.Memory.Items(r.version.ID) }

// Interest says what events weigh under the version.
func (r *Reader) Interest() recsys.Interest { return r.manifest.Interest }

// CacheUse counts the items that were asked for since the Reader was made: those
// that were there, and those that had to be read.
func (r *Reader) CacheUse() (hits, misses int64) {
	return r.folder.cache.hits.Load(), r.folder.cache.misses.Load()
}

// listFormat is part of every configuration hash; raise it when the same state
// begins to give another list.
const listFormat = 2

// ConfigHash identifies what shapes a list besides the user's state and the
// version's data: 16 hex digits.
func (r *Reader) ConfigHash(req Request) string {
	shape, err := json.Marshal(struct {
		Format      int
		K           int
		Category    string
		Tags        []string
		ExcludeSeen string
		Search      recsys.Search
		Exclude     []string `json:",omitempty"`
	}{listFormat, req.K, req.Category, slices.Sorted(slices.Values(req.Tags)), cmp.Or(req.ExcludeSeen, SeenAll), r.version.Search,
		slices.Compact(slices.Sorted(slices.Values(req.Exclude)))})
	if err != nil {
		panic(err) // numbers, strings and booleans
	}
	sum := sha256.Sum256(shape)
	return hex.EncodeToString(sum[:8])
}
