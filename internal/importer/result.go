package importer

import (
	"time"

	"github.com/recflow/recflow/internal/importer/report"
	"github.com/recflow/recflow/internal/recsys"
)

// Result is the result of an import, or the expected one of a dry run.
type Result struct {
	DryRun   bool         `json:"dry_run,omitempty"`
	Rows     int64        `json:"rows"`
	Events   int64        `json:"events"`
	Items    int64        `json:"items"`
	Rejected int64        `json:"rejected"`
	Rejects  string       `json:"rejects,omitempty"` // path of the rejects file
	Files    []FileResult `json:"files"`
	Ignored  []string     `json:"ignored,omitempty"` // files of the folders that were not read, each with the reason
	Notes    []string     `json:"notes,omitempty"`
	Seconds  float64      `json:"seconds"`
}

// FileResult is the result of one file.
type FileResult struct {
	File            string            `json:"file"`
	SHA256          string            `json:"sha256"`
	FirstImportedAt time.Time         `json:"first_imported_at"`
	Kind            string            `json:"kind"`   // events or items
	Format          string            `json:"format"` // csv, jsonl, parquet or completejourney
	Columns         map[string]string `json:"columns"`
	EventType       string            `json:"event_type,omitempty"` // type of rows that have none

	// Rows = Accepted + Rejected + AfterUntil + Replaced + Continued + Skipped.
	Rows       int64 `json:"rows"`
	Skipped    int64 `json:"skipped,omitempty"`   // rows that a recipe ignores: of other types, or without an item
	Continued  int64 `json:"continued,omitempty"` // events that earlier imports have, because the file continues one
	Accepted   int64 `json:"accepted"`
	Rejected   int64 `json:"rejected"`
	AfterUntil int64 `json:"after_until"`
	Replaced   int64 `json:"replaced"` // items that a later row replaced
	NoTime     int64 `json:"no_time"`  // accepted events with the time of the first import

	Days    int        `json:"days,omitempty"`
	From    *time.Time `json:"from,omitempty"` // earliest event
	To      *time.Time `json:"to,omitempty"`   // latest event
	Objects Objects    `json:"objects"`

	Report    *report.Report `json:"report,omitempty"`
	Continues string         `json:"continues,omitempty"` // which earlier import the file continues
	Error     string         `json:"error,omitempty"`     // why the file could not be imported

	FirstRejects []Reject       `json:"first_rejects,omitempty"`
	SampleEvents []recsys.Event `json:"sample_events,omitempty"`
	SampleItems  []recsys.Item  `json:"sample_items,omitempty"`
}

// The kinds of files.
const (
	KindEvents = "events"
	KindItems  = "items"
)

// shownRows is the number of sample rows per file.
const shownRows = 5

// Progress is the progress of an import.
type Progress struct {
	File        string
	Step        string // hash, read or write
	Done, Total int64  // bytes of the file; rows while writing
	Rows        int64  // rows read or written so far
}
