package recsys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The event types with a default weight. The set is open: any other type is
// accepted, and has the weight that an Interest gives it.
const (
	Impression = "impression"
	View       = "view"
	Click      = "click"
	AddToCart  = "add_to_cart"
	Purchase   = "purchase"
	Rating     = "rating"
)

// MaxIDBytes is the maximum length of an id (user, item, event).
const MaxIDBytes = 256

// Limits on the fields of an item. A category and a tag are keys of an index,
// whose entries Postgres limits to about 2,700 bytes.
const (
	MaxTitleBytes    = 16 << 10
	MaxCategoryBytes = 1 << 10
	MaxTagBytes      = 1 << 10
	MaxTags          = 1 << 10
)

// EarliestEvent is the first valid time of an event. Seconds that were taken for
// milliseconds are before it, in January 1970.
var EarliestEvent = time.Date(1971, time.January, 1, 0, 0, 0, 0, time.UTC)

// Event is one interaction of a user with an item. All ids are opaque strings.
// Times have microsecond precision, the precision of Spark and Postgres.
type Event struct {
	EventID          string    `json:"event_id"`
	UserID           string    `json:"user_id"`
	ItemID           string    `json:"item_id"`
	EventType        string    `json:"event_type"`
	Value            *float64  `json:"value,omitempty"` // stars of a rating, quantity of a purchase
	SessionID        string    `json:"session_id,omitempty"`
	RecommendationID string    `json:"recommendation_id,omitempty"` // the list that led to it
	OccurredAt       time.Time `json:"occurred_at"`

	// StoredAt is the database's time of the first insert of a streamed event.
	// It is zero for an imported one.
	StoredAt time.Time `json:"stored_at,omitzero"`
}

// Item is an item without its embedding.
type Item struct {
	ItemID    string   `json:"item_id"`
	Title     string   `json:"title,omitempty"`
	Category  string   `json:"category,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Text      string   `json:"text,omitempty"`
	Available bool     `json:"available"`
}

// Check returns the first reason why i is not a valid item, or nil.
func (i Item) Check() error {
	if err := CheckID("item_id", i.ItemID); err != nil {
		return err
	}
	if err := checkText("title", i.Title, MaxTitleBytes); err != nil {
		return err
	}
	if err := checkText("category", i.Category, MaxCategoryBytes); err != nil {
		return err
	}
	if len(i.Tags) > MaxTags {
		return fmt.Errorf("item has %d tags; at most %d are accepted", len(i.Tags), MaxTags)
	}
	for _, t := range i.Tags {
		if err := checkText("tag", t, MaxTagBytes); err != nil {
			return err
		}
	}
	return checkText("text", i.Text, math.MaxInt)
}

// checkText returns why a text of an item cannot be stored, or nil.
func checkText(kind, text string, limit int) error {
	switch {
	case len(text) > limit:
		return fmt.Errorf("%s is %d bytes long; at most %d are accepted", kind, len(text), limit)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not valid UTF-8", kind)
	case strings.IndexByte(text, 0) >= 0:
		return fmt.Errorf("%s contains a NUL character", kind)
	}
	return nil
}

// RowEventID returns the deterministic id of an event without one: row is the
// 1-based data row in the file whose SHA-256 (hex) is fileSHA. Importing or
// sending the same file again yields the same ids.
func RowEventID(fileSHA string, row int64) string {
	sum := sha256.Sum256([]byte(fileSHA + ":" + strconv.FormatInt(row, 10)))
	return hex.EncodeToString(sum[:16])
}

// CheckID returns why an id is invalid, without repeating the id, or nil. kind
// names the field, for example "user_id".
func CheckID(kind, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%s is empty", kind)
	case len(id) > MaxIDBytes:
		return fmt.Errorf("%s is %d bytes long; at most %d are accepted", kind, len(id), MaxIDBytes)
	case isPrintableASCII(id): // as most ids
		return nil
	case !utf8.ValidString(id):
		return fmt.Errorf("%s is not valid UTF-8", kind)
	case strings.IndexFunc(id, unicode.IsControl) >= 0:
		return fmt.Errorf("%s contains a control character", kind)
	}
	return nil
}

func isPrintableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Check returns the first reason why e is not a valid event, or nil.
func (e Event) Check() error {
	if err := CheckID("event_id", e.EventID); err != nil {
		return err
	}
	if err := CheckID("user_id", e.UserID); err != nil {
		return err
	}
	if err := CheckID("item_id", e.ItemID); err != nil {
		return err
	}
	if err := CheckID("event_type", e.EventType); err != nil {
		return err
	}
	if e.OccurredAt.IsZero() {
		return fmt.Errorf("occurred_at is missing")
	}
	return nil
}
