package vectorstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

var errSoon = errors.New("not written yet")

// Owner names the workflow execution that builds a version.
type Owner struct{ WorkflowID, RunID string }

// NewVersion is what a version is made from.
type NewVersion struct {
	Manifest *recsys.Manifest
	Search   recsys.Search
	Owner    Owner
}

// Claim is the right to write one part of a version, until somebody claims it again.
type Claim struct {
	Version int64
	Slot    string
	Token   int64
	Done    bool  // this part was completed earlier: there is nothing to do
	Rows    int64 // rows it completed with
}

// IndexProgress says how far BuildIndexes is.
type IndexProgress struct {
	Step    string  // a short name: "vacuum items", "items_embedding"
	Percent float64 // 0 to 100 of this step, 0 when unknown
}

// Building is a version that is still loading.
type Building struct {
	Version int64
	RunID   string
	Owner   Owner
	Since   time.Time
}

// Live is the version that readers use.
type Live struct {
	Version  recsys.Version
	Revision int64            // grows by one with every flip
	Manifest *recsys.Manifest // without Files
}

// Promotion asks for a version to go live.
type Promotion struct {
	Version    int64
	IfRevision *int64 // only when the live pointer is still at this revision; nil: whatever it is
	Actor      string
	Reason     string
}

// PruneOptions say what Prune keeps apart from the live, the previous and the pinned versions.
type PruneOptions struct {
	KeepRefused int           // newest refused versions kept for inspection
	ReaderTTL   time.Duration // how long a reader may go on using a version that is no longer live
}

// Flip is one change of the live version.
type Flip struct {
	Revision    int64     `json:"revision"`
	Version     int64     `json:"version"`
	FromVersion int64     `json:"from_version,omitempty"` // 0: none was live
	Kind        string    `json:"kind"`                   // promote or rollback
	Actor       string    `json:"actor"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
}

// User is a user of a version.
type User struct {
	ID      string
	Vector  []float32 // nil when nothing in the history counts
	History recsys.History
}

// Hit is an item found, with its inner product (or, from Popular, its popularity).
type Hit struct {
	recsys.Item
	Score float64
}

// Query asks for the K best items.
type Query struct {
	Vector   []float32
	K        int
	Exclude  []string // item ids
	Category string   // "" for any
	Tags     []string // an item must have all of them
	Exact    bool     // do not use the index
}

// Horizon says which streamed events are no longer kept: all of them were
// stored before StoredBefore and occurred before OccurredBefore. Both are zero
// while nothing has been dropped.
type Horizon struct{ StoredBefore, OccurredBefore time.Time }

// Covers reports whether a version with coverage c has counted every event that
// is no longer kept.
func (h Horizon) Covers(c recsys.Coverage) bool {
	return !h.StoredBefore.After(c.StoredTo) && !h.OccurredBefore.After(c.To)
}

func (s *Store) CreateVersion(ctx context.Context, n NewVersion) (recsys.Version, error) {
	return recsys.Version{}, errSoon
}
func (s *Store) Manifest(ctx context.Context, version int64) (*recsys.Manifest, error) {
	return nil, errSoon
}
func (s *Store) Claim(ctx context.Context, version int64, slot string) (Claim, error) {
	return Claim{}, errSoon
}
func (c Claim) complete(ctx context.Context, tx pgx.Tx, rows int64) error { return errSoon }
func (s *Store) BuildIndexes(ctx context.Context, c Claim, progress func(IndexProgress)) error {
	return errSoon
}
func (s *Store) MarkReady(ctx context.Context, version int64, gates []recsys.GateResult) error {
	return errSoon
}
func (s *Store) MarkRefused(ctx context.Context, version int64, gates []recsys.GateResult) error {
	return errSoon
}
func (s *Store) Fail(ctx context.Context, version int64, reason string) error { return errSoon }
func (s *Store) Gates(ctx context.Context, version int64) ([]recsys.GateResult, error) {
	return nil, errSoon
}
func (s *Store) Abandoned(ctx context.Context) ([]Building, error)      { return nil, errSoon }
func (s *Store) Live(ctx context.Context) (Live, error)                 { return Live{}, errSoon }
func (s *Store) Promote(ctx context.Context, p Promotion) (Live, error) { return Live{}, errSoon }
func (s *Store) Rollback(ctx context.Context, actor, reason string) (Live, error) {
	return Live{}, errSoon
}
func (s *Store) Pin(ctx context.Context, version int64, pinned bool) error  { return errSoon }
func (s *Store) Prune(ctx context.Context, o PruneOptions) ([]int64, error) { return nil, errSoon }
func (s *Store) Version(ctx context.Context, id int64) (recsys.Version, error) {
	return recsys.Version{}, errSoon
}
func (s *Store) VersionByRun(ctx context.Context, runID string) (recsys.Version, error) {
	return recsys.Version{}, errSoon
}
func (s *Store) Versions(ctx context.Context, limit int) ([]recsys.Version, error) {
	return nil, errSoon
}
func (s *Store) Flips(ctx context.Context, limit int) ([]Flip, error) { return nil, errSoon }
func (s *Store) User(ctx context.Context, v recsys.Version, userID string) (User, error) {
	return User{}, errSoon
}
func (s *Store) Users(ctx context.Context, v recsys.Version, userIDs []string) ([]User, error) {
	return nil, errSoon
}
func (s *Store) SampleUsers(ctx context.Context, v recsys.Version, n int, seed string) ([]User, error) {
	return nil, errSoon
}
func (s *Store) ItemVectors(ctx context.Context, v recsys.Version, ids []string) (map[string][]float32, error) {
	return nil, errSoon
}
func (s *Store) Nearest(ctx context.Context, v recsys.Version, q Query) ([]Hit, error) {
	return nil, errSoon
}
func (s *Store) NearestMany(ctx context.Context, v recsys.Version, qs []Query) ([][]Hit, error) {
	return nil, errSoon
}
func (s *Store) Popular(ctx context.Context, v recsys.Version, q Query) ([]Hit, error) {
	return nil, errSoon
}
func (s *Store) Item(ctx context.Context, v recsys.Version, itemID string) (recsys.Item, []float32, error) {
	return recsys.Item{}, nil, errSoon
}
func (s *Store) SetAvailable(ctx context.Context, itemID string, available bool) error {
	return errSoon
}
func (s *Store) HoldoutUsers(ctx context.Context, v recsys.Version, fn func(userID string, history, answers []recsys.Event) error) error {
	return errSoon
}
func (s *Store) LiveEvents(ctx context.Context, userIDs []string) (map[string][]recsys.Event, error) {
	return nil, errSoon
}
func (s *Store) InsertLiveEvents(ctx context.Context, events []recsys.Event) error { return errSoon }
func (s *Store) StreamedSet(ctx context.Context, c recsys.Coverage) (recsys.EventSet, error) {
	return recsys.EventSet{}, errSoon
}
func (s *Store) Horizon(ctx context.Context) (Horizon, error) { return Horizon{}, errSoon }
func (s *Store) DropCoveredEvents(ctx context.Context, olderThan time.Time) (int64, error) {
	return 0, errSoon
}
func (s *Store) CountRows(ctx context.Context, v recsys.Version) (items, users, holdout int64, err error) {
	return 0, 0, 0, errSoon
}
func (s *Store) BadVectors(ctx context.Context, v recsys.Version) (items, users int64, err error) {
	return 0, 0, errSoon
}
