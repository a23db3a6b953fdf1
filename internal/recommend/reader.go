package recommend

import (
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// Reader makes lists from one version, and keeps what it reads once for all of
// them. Its lists share one category and one set of tags: the popular list is
// kept without them. It is not safe for concurrent use.
type Reader struct {
	store    *vectorstore.Store
	version  recsys.Version
	manifest *recsys.Manifest
	folder   *Folder
	popular  []vectorstore.Hit // the longest popular list read so far
	ended    bool              // popular holds every eligible item
}

// NewReader makes a Reader of a version and its manifest, which need not be live.
func NewReader(store *vectorstore.Store, v recsys.Version, m *recsys.Manifest) *Reader {
	return &Reader{store: store, version: v, manifest: m, folder: NewFolder(store, v, m)}
}
