package backfill

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ListSettings are the settings of a lists backfill, the same for all windows.
type ListSettings struct {
	K           int      `json:"k"`
	Category    string   `json:"category,omitempty"`
	Tags        []string `json:"tags,omitempty"`         // an item must have all of them
	ExcludeSeen string   `json:"exclude_seen,omitempty"` // all or none
	Users       string   `json:"users,omitempty"`        // key of a file of user ids; empty: all users
}

// WrittenLists is what a window of a lists backfill wrote.
type WrittenLists struct {
	Lists  int64            `json:"lists"`
	Stages map[string]int64 `json:"stages"` // lists by stage
	Files  []ListFile       `json:"files"`
}

// ListFile is a Parquet file of lists.
type ListFile struct {
	Key   string `json:"key"` // in the bucket
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Folders of the bucket.
const (
	ListsPrefix     = "lists/"      // results of lists backfills
	ListUsersPrefix = "list-users/" // files of user ids
)

// listsPerWindow is the number of users in a window by default, and maxListWindows
// limits the windows by default: each window reads the ids of all users.
const (
	listsPerWindow = 20_000
	maxListWindows = 32
)

// ListWindows returns the default number of windows for this many users.
func ListWindows(users int64) int {
	return int(min(max((users+listsPerWindow-1)/listsPerWindow, 1), maxListWindows))
}

// CutLists returns n windows of a lists backfill.
func CutLists(n int) ([]Window, error) {
	if n < 1 || n > MaxWindows {
		return nil, fmt.Errorf("windows is %d; use 1 to %d", n, MaxWindows)
	}
	cut := make([]Window, n)
	for i := range cut {
		cut[i] = Window{Index: i, State: Pending}
	}
	return cut, nil
}

// ListsRunID returns the id of the run that a lists backfill writes, the same in
// all rounds. Ids sort by the time of the request.
func ListsRunID(b Backfill) string { return b.CreatedAt.UTC().Format("20060102T150405Z") + "-" + b.ID }

// ListsManifestKey returns the key of the manifest of a run. Query engines ignore
// objects whose name begins with an underscore.
func ListsManifestKey(runID string) string { return ListsRunPrefix(runID) + "_manifest.json" }

// ListsRunPrefix returns the prefix of the keys of a run.
func ListsRunPrefix(runID string) string { return ListsPrefix + "run=" + runID + "/" }

// ListsWindowPrefix returns the prefix of the keys of the files of a window.
func ListsWindowPrefix(runID string, window int) string {
	return fmt.Sprintf("%s%05d-", ListsRunPrefix(runID), window)
}

// ListsFileKey returns the key of a file of a window, the same in every attempt.
func ListsFileKey(runID string, window, part int) string {
	return fmt.Sprintf("%s%03d.parquet", ListsWindowPrefix(runID, window), part)
}

// maxKey is the length limit of a key in S3, in bytes.
const maxKey = 1024

// CheckListUsers returns why a key cannot be a file of user ids.
func CheckListUsers(key string) error {
	name, inside := strings.CutPrefix(key, ListUsersPrefix)
	if !inside || name == "" {
		return fmt.Errorf("users is not a key under %s; put the file there", ListUsersPrefix)
	}
	if len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		return fmt.Errorf("users is not a valid key: at most %d bytes of UTF-8 without control characters", maxKey)
	}
	return nil
}

// HashRange is an inclusive range of user hashes.
type HashRange struct{ First, Last uint32 }

// WindowHashes returns the hashes of the users in window i of n. The ranges of all
// windows partition the hashes.
func WindowHashes(i, n int) HashRange {
	bound := func(i int) uint64 { return uint64(i) << 32 / uint64(n) }
	return HashRange{First: uint32(bound(i)), Last: uint32(bound(i+1) - 1)}
}

// Contains reports whether the hash of a user is in the range.
func (r HashRange) Contains(userID string) bool {
	h := UserHash(userID)
	return r.First <= h && h <= r.Last
}

// UserHash returns the first four bytes of the SHA-256 of a user id as a
// big-endian number.
func UserHash(userID string) uint32 {
	sum := sha256.Sum256([]byte(userID))
	return binary.BigEndian.Uint32(sum[:])
}

// ListsManifest describes a complete run. It is stored as JSON.
type ListsManifest struct {
	SchemaVersion int              `json:"schema_version"`
	RunID         string           `json:"run_id"`
	BackfillID    string           `json:"backfill_id"`
	Version       int64            `json:"version"`
	Settings      ListSettings     `json:"settings"`
	Windows       int              `json:"windows"`
	Users         int64            `json:"users"` // each has one row
	Stages        map[string]int64 `json:"stages"`
	Files         []ListFile       `json:"files"` // in the order of their keys
	StartedAt     time.Time        `json:"started_at"`
	EndedAt       time.Time        `json:"ended_at"` // of the last window
}

// ListsManifestSchema is the version of the JSON of ListsManifest.
const ListsManifestSchema = 1

// NewListsManifest returns the manifest of a lists backfill whose windows have all
// succeeded. It depends only on the ledger.
func NewListsManifest(b Backfill, settings ListSettings) ListsManifest {
	m := ListsManifest{
		SchemaVersion: ListsManifestSchema, RunID: ListsRunID(b), BackfillID: b.ID, Version: b.Version, Settings: settings,
		Windows: len(b.Windows), Stages: map[string]int64{}, Files: []ListFile{}, StartedAt: b.StartedAt,
	}
	for _, w := range b.Windows {
		if w.EndedAt.After(m.EndedAt) {
			m.EndedAt = w.EndedAt
		}
		if w.Lists == nil {
			continue
		}
		m.Users += w.Lists.Lists
		for stage, n := range w.Lists.Stages {
			m.Stages[stage] += n
		}
		m.Files = append(m.Files, w.Lists.Files...)
	}
	return m
}
