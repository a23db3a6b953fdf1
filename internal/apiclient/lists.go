package apiclient

import (
	"net/url"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
)

// ListRequest asks for one list. What is left out takes the server's default.
type ListRequest struct {
	UserID      string // empty for an anonymous user, known by Recent alone
	K           int    // length of the list
	Category    string
	Tags        []string // an item must have all of them
	Version     int64    // 0 is the live version
	IncludeSeen bool     // also list items that the user has interacted with
	Exclude     []string // items to leave out
	Recent      []string // items clicked just now
}

// values returns the request as query parameters.
func (r ListRequest) values() url.Values {
	q := url.Values{}
	set := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	set("k", strconv.Itoa(r.K), r.K != 0)
	set("category", r.Category, r.Category != "")
	set("version", strconv.FormatInt(r.Version, 10), r.Version != 0)
	set("include_seen", "true", r.IncludeSeen)
	for name, values := range map[string][]string{"tag": r.Tags, "exclude": r.Exclude, "recent": r.Recent} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	return q
}

// List is a ranked list and where it comes from.
type List struct {
	RecommendationID string       `json:"recommendation_id,omitempty"` // the same for the same state
	UserID           string       `json:"user_id,omitempty"`
	Item             *recsys.Item `json:"item,omitempty"` // of similar items: what they resemble
	Version          int64        `json:"version"`
	Stage            string       `json:"stage,omitempty"`
	Items            []Ranked     `json:"items"`
}

// Ranked is an item in a list.
type Ranked struct {
	Rank int `json:"rank"` // from 1, best first
	recsys.Item
	Score float64 `json:"score"` // the inner product; in a popular list, the popularity
}

// Explanation says why an item has its place in a user's list.
type Explanation struct {
	RecommendationID string      `json:"recommendation_id"` // of the list that the same request returns
	UserID           string      `json:"user_id"`
	Item             recsys.Item `json:"item"`
	Version          int64       `json:"version"`
	Stage            string      `json:"stage"`
	Score            float64     `json:"score"`           // that the item has in the list, or would have
	LeftOut          []string    `json:"left_out"`        // why it is not in the list, whatever its length
	Terms            []Term      `json:"terms"`           // sum to the score; largest first
	Rule             string      `json:"rule,omitempty"`  // in place of terms, where the list is not the user's own
	Place            int64       `json:"place,omitempty"` // among all available items, by that rule
}

// Term is what an item of the user's history adds to the score.
type Term struct {
	ItemID string  `json:"item_id"`
	Title  string  `json:"title,omitempty"`
	Weight float32 `json:"weight"` // of the user's interest in it
	Score  float64 `json:"score"`
}

// MaxBatch is the largest number of users of a BatchRequest.
const MaxBatch = 100

// BatchRequest asks for the lists of many users.
type BatchRequest struct {
	Users       []string `json:"users" minItems:"1" maxItems:"100" doc:"An id that cannot be one has a problem in place of a list."`
	K           int      `json:"k,omitempty" minimum:"1" maximum:"1000" default:"10" doc:"Length of each list."`
	Category    string   `json:"category,omitempty" maxLength:"256" doc:"Only items of this category."`
	Tags        []string `json:"tags,omitempty" maxItems:"20" doc:"Only items with all of these tags."`
	Exclude     []string `json:"exclude,omitempty" maxItems:"500" doc:"Items to leave out."`
	Recent      []string `json:"recent,omitempty" maxItems:"50" doc:"Items that each of the users clicked just now: folded into this answer, and not kept. Unknown ones are ignored."`
	Version     int64    `json:"version,omitempty" minimum:"0" doc:"Read this version in place of the live one."`
	IncludeSeen bool     `json:"include_seen,omitempty" doc:"Also list items that the user has interacted with."`
}

// BatchLists holds the lists of many users.
type BatchLists struct {
	Items []UserList `json:"items" doc:"One for each user, in their order."`
}

// UserList is the list of a user, or the problem that kept it from being made.
type UserList struct {
	UserID  string   `json:"user_id"`
	List    *List    `json:"list,omitempty"`
	Problem *Problem `json:"problem,omitempty" doc:"In place of a list."`
}
