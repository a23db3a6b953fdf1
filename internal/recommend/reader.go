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

// Data is the storage that a Reader reads. *embeddings.Store implements it.
type Data interface {
	UserStates(ctx context.Context, v recsys.Version, userIDs []string) (states []recsys.UserState, overrides recsys.OverrideRevision, err error)
	ItemVectors(ctx context.Context, v recsys.Version, itemIDs []string) (map[string][]float32, error)
	NearestEach(ctx context.Context, v recsys.Version, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error
	Popular(ctx context.Context, v recsys.Version, q recsys.Query) ([]recsys.Hit, error)
	EachItem(ctx context.Context, v recsys.Version, emit func(item recsys.Item, vector []float32) error) error
	OverridesSince(ctx context.Context, since recsys.OverrideRevision) (embeddings.OverrideChanges, error)
}

var _ Data = (*embeddings.Store)(nil)

// Reader makes lists from one version. It caches item vectors within a limit, and
// the popular list of the last filters until an override changes. It is not safe
// for concurrent use, except for the methods documented as such.
type Reader struct {
	// Memory is searched instead of Postgres if it holds the version at the time of
	// Read. It may be nil.
	Memory *Memory

	data     Data
	version  recsys.Version
	manifest *recsys.Manifest
	folder   *Folder

	inMemory *versionItems // items of Memory at the last Read; nil: not loaded

	overrides recsys.OverrideRevision // at the last Read
	popular   popularList             // the longest one read so far
}

// popularList is the popular items under one combination of filters.
type popularList struct {
	hits      []recsys.Hit
	complete  bool // it contains every eligible item
	filters   string
	overrides recsys.OverrideRevision // Reader.overrides when it was read
}

// NewReader returns a Reader of a version, which need not be live, and its
// manifest.
func NewReader(data Data, v recsys.Version, m *recsys.Manifest) *Reader {
	return &Reader{data: data, version: v, manifest: m, folder: NewFolder(data, v, m)}
}

// Version returns the version of the Reader.
func (r *Reader) Version() recsys.Version { return r.version }

// ItemsInMemory returns the number of items of the version in memory, or 0 if
// Postgres is searched.
func (r *Reader) ItemsInMemory() int { return r.Memory.Items(r.version) }

// Interest returns the interest weights of the version.
func (r *Reader) Interest() recsys.Interest { return r.manifest.Interest }

// CacheUse returns the hits and misses of the item cache since the Reader was
// made.
func (r *Reader) CacheUse() (hits, misses int64) {
	return r.folder.cache.hits.Load(), r.folder.cache.misses.Load()
}

// listFormat is part of every configuration hash. Increment it when a change of
// the code changes the list of a state.
const listFormat = 2

// ConfigHash returns a hash, 16 hex digits, of everything that affects a list
// except the user's state and the version's data.
func (r *Reader) ConfigHash(req Request) string {
	config, err := json.Marshal(struct {
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
		panic(err) // cannot happen: it encodes only numbers and strings
	}
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:8])
}
