package apiclient

import (
	"net/url"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
)

// ListRequest is a request for one list. Zero values mean the server's
// defaults.
type ListRequest struct {
	UserID      string // empty: an anonymous user, described by Recent only
	K           int    // length of the list
	Category    string
	Tags        []string // an item must have all of them
	Version     int64    // 0: the live version
	ExcludeSeen string   // which seen items to exclude: all or none; empty: all
	Exclude     []string // items to exclude
	Recent      []string // items that the user clicked just now
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
	set("exclude_seen", r.ExcludeSeen, r.ExcludeSeen != "")
	for name, values := range map[string][]string{"tag": r.Tags, "exclude": r.Exclude, "recent": r.Recent} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	return q
}

// List is a ranked list and its origin.
type List struct {
	RecommendationID string       `json:"recommendation_id,omitempty"` // the same for the same state
	UserID           string       `json:"user_id,omitempty"`
	Item             *recsys.Item `json:"item,omitempty"` // for similar items: the item that they resemble
	Version          int64        `json:"version"`
	Stage            string       `json:"stage,omitempty"`
	EventsNotFolded  int          `json:"events_not_folded,omitempty" doc:"Older events of the user since the training that are not folded in: the newest 5,000 are. 1000 means that many or more."`
	Items            []Ranked     `json:"items"`
}

// Ranked is an item in a list.
type Ranked struct {
	Rank int `json:"rank"` // from 1, best first
	recsys.Item
	Score float64 `json:"score"` // the inner product; for similar items divided by |v|^β, where v is the vector of the listed item; in a popular list, the popularity
}

// Explanation explains an item's position in a user's list.
type Explanation struct {
	RecommendationID string      `json:"recommendation_id"` // of the list that the same request returns
	UserID           string      `json:"user_id"`
	Item             recsys.Item `json:"item"`
	Version          int64       `json:"version"`
	Stage            string      `json:"stage"`
	EventsNotFolded  int         `json:"events_not_folded,omitempty" doc:"Older events of the user since the training that are not folded in: the newest 5,000 are. 1000 means that many or more."`
	Score            float64     `json:"score"`                     // score of the item in the list, even if it is excluded
	ExcludedBy       []string    `json:"excluded_by"`               // why it is excluded from a list of any length
	Terms            []Term      `json:"terms"`                     // sum to the score; largest first
	Rule             string      `json:"rule,omitempty"`            // how a list is ranked that is not personal, instead of terms
	PopularityRank   int64       `json:"popularity_rank,omitempty"` // rank among all available items, by that rule
}

// Term is the contribution of an item of the user's history to the score.
type Term struct {
	ItemID string  `json:"item_id"`
	Title  string  `json:"title,omitempty"`
	Weight float32 `json:"weight"` // interest weight of the item
	Score  float64 `json:"score"`
}

// MaxBatch is the maximum number of users in a BatchRequest.
const MaxBatch = 100

// BatchRequest is a request for the lists of many users.
type BatchRequest struct {
	Users       []string `json:"users" minItems:"1" maxItems:"100" doc:"Ids of the users. An invalid id results in a problem instead of a list."`
	K           int      `json:"k,omitempty" minimum:"1" maximum:"1000" default:"10" doc:"Length of each list."`
	Category    string   `json:"category,omitempty" maxLength:"1024" doc:"Only items of this category."`
	Tags        []string `json:"tags,omitempty" maxItems:"20" doc:"Only items with all of these tags."`
	Exclude     []string `json:"exclude,omitempty" maxItems:"500" doc:"Items to exclude."`
	Recent      []string `json:"recent,omitempty" maxItems:"50" doc:"Items that each of the users clicked just now. They affect this response and are not stored. Unknown items are ignored."`
	Version     int64    `json:"version,omitempty" minimum:"0" doc:"Version to read instead of the live one."`
	ExcludeSeen string   `json:"exclude_seen,omitempty" enum:"all,none" default:"all" doc:"Which of the items that each user has interacted with to exclude."`
}

// BatchLists is the lists of many users.
type BatchLists struct {
	Items []UserList `json:"items" doc:"One entry per user, in the same order."`
}

// UserList is the list of a user, or a problem.
type UserList struct {
	UserID  string   `json:"user_id"`
	List    *List    `json:"list,omitempty"`
	Problem *Problem `json:"problem,omitempty" doc:"Present instead of a list if the list could not be computed."`
}
