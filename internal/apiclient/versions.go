package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// Versions is a page of versions, newest first.
type Versions struct {
	Items []recsys.Version `json:"items"`
	Next  string           `json:"next,omitempty" doc:"Cursor of the next page. Absent on the last page."`
}

// VersionReport is a version with its checks, gates, metrics and promotions.
type VersionReport struct {
	recsys.Version
	Parameters  recsys.Parameters   `json:"parameters" doc:"Settings of the training, whether requested or chosen."`
	Defaults    *recsys.Defaults    `json:"defaults,omitempty" doc:"Properties of the data from which the trainer als chose the settings that were not requested."`
	Libraries   map[string]string   `json:"libraries,omitempty" doc:"Versions of the training's libraries, by name."`
	Interest    recsys.Interest     `json:"interest"`
	Input       recsys.Input        `json:"input"`
	Checks      []recsys.Check      `json:"checks" doc:"Results of the data quality rules."`
	Gates       []recsys.GateResult `json:"gates" doc:"Results of the gates. Empty before they ran."`
	Metrics     recsys.Metrics      `json:"metrics" doc:"Metrics of the training on its hold-out, and of popularity as a baseline."`
	Similar     *recsys.Similar     `json:"similar,omitempty" doc:"How the exponent β of similar items was chosen. Absent if it was not: then β is 0."`
	LiveMetrics *recsys.Metrics     `json:"live_metrics,omitempty" doc:"Metrics of the live version on its own hold-out. The gate quality compares both versions on the same users."`
	Changes     []LiveChange        `json:"changes" doc:"Promotions and rollbacks that made the version live, newest first, at most 20."`
}

// Live is the version that readers use, and its history.
type Live struct {
	Version  recsys.Version `json:"version"`
	Revision int64          `json:"revision" doc:"Incremented by every promotion and rollback."`
	Changes  []LiveChange   `json:"changes" doc:"Most recent changes of the live version, newest first."`
}

// LiveChange is a change of the live version.
type LiveChange struct {
	Revision    int64     `json:"revision"`
	Version     int64     `json:"version"`
	FromVersion int64     `json:"from_version,omitempty"` // 0: none was live
	Kind        string    `json:"kind"`                   // promote or rollback
	Actor       string    `json:"actor"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
}

// Diff compares the lists that two versions make for the same users.
type Diff struct {
	A       int64        `json:"a"`
	B       int64        `json:"b"`
	K       int          `json:"k"`                   // length of the lists
	Users   int          `json:"users"`               // number of compared users: a sample of those in both versions
	Overlap float64      `json:"overlap"`             // mean share of a list's items that are in the other list
	RBO     float64      `json:"rank_biased_overlap"` // mean; 1 for equal lists, 0 for disjoint ones
	Same    float64      `json:"same"`                // share of users whose lists are equal
	Items   DiffItems    `json:"items"`
	Metrics []DiffMetric `json:"metrics"`

	// SameHoldout reports whether both trainings were measured on the same
	// events of the same users. Otherwise a difference of the metrics has
	// little meaning.
	SameHoldout bool `json:"same_holdout"`
}

// DiffItems compares the catalogs, and the share of them in the lists.
type DiffItems struct {
	A         int64   `json:"a"`
	B         int64   `json:"b"`
	New       int64   `json:"new"`        // in B and not in A
	Lost      int64   `json:"lost"`       // in A and not in B
	CoverageA float64 `json:"coverage_a"` // share of A's items in at least one list of the sample
	CoverageB float64 `json:"coverage_b"`
}

// DiffMetric is a metric of both trainings, each on its own hold-out.
type DiffMetric struct {
	Name  string  `json:"name"`
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Delta float64 `json:"delta"` // b - a
}

// NewLiveChange is a request for a promotion or rollback.
type NewLiveChange struct {
	Reason     string `json:"reason,omitempty" maxLength:"500" doc:"Reason, for the audit."`
	Evaluation bool   `json:"evaluation,omitempty" doc:"Allow a version that is for evaluation."`
}

// UserSample is a sample of the users of a version.
type UserSample struct {
	Items []SampledUser `json:"items"`
}

// SampledUser is a user with a vector in a version.
type SampledUser struct {
	UserID      string    `json:"user_id"`
	Items       int       `json:"items" doc:"Number of items with weight in the user's history."`
	LastEventAt time.Time `json:"last_event_at,omitzero" doc:"Time of the last event with weight."`
}

// Pin is a request to pin or unpin a version.
type Pin struct {
	Pinned bool `json:"pinned"`
}

// Version returns a version and its ETag.
func (c *Client) Version(ctx context.Context, id int64) (v VersionReport, etag string, err error) {
	answered, err := c.Do(ctx, http.MethodGet, "/versions/"+number(id), nil, nil, nil, &v)
	return v, answered.Get("ETag"), err
}

// Versions returns a page of versions, newest first.
func (c *Client) Versions(ctx context.Context, cursor string, limit int) (v Versions, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/versions", page(cursor, limit), nil, nil, &v)
	return v, err
}

// SampleUsers returns a sample of at most limit users of a version, the same
// one every time.
func (c *Client) SampleUsers(ctx context.Context, version int64, limit int) (s UserSample, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/versions/"+number(version)+"/users", page("", limit), nil, nil, &s)
	return s, err
}

// Live returns the live version and its ETag.
func (c *Client) Live(ctx context.Context) (l Live, etag string, err error) {
	answered, err := c.Do(ctx, http.MethodGet, "/live", nil, nil, nil, &l)
	return l, answered.Get("ETag"), err
}

// Promote promotes a version if it still has the etag.
func (c *Client) Promote(ctx context.Context, id int64, etag string, f NewLiveChange) (l Live, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/versions/"+number(id)+"/promote", nil, match(etag), f, &l)
	return l, err
}

// Rollback promotes the previous live version, if the live version still has
// the etag.
func (c *Client) Rollback(ctx context.Context, etag string, f NewLiveChange) (l Live, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/live/rollback", nil, match(etag), f, &l)
	return l, err
}

// Pin pins or unpins a version if it still has the etag.
func (c *Client) Pin(ctx context.Context, id int64, etag string, pinned bool) (v recsys.Version, err error) {
	_, err = c.Do(ctx, http.MethodPut, "/versions/"+number(id)+"/pin", nil, match(etag), Pin{pinned}, &v)
	return v, err
}

// DeleteVersion drops the data of a version if it still has the etag.
func (c *Client) DeleteVersion(ctx context.Context, id int64, etag string, rollbackTarget bool) (v recsys.Version, err error) {
	q := url.Values{}
	if rollbackTarget {
		q.Set("rollback_target", "true")
	}
	_, err = c.Do(ctx, http.MethodDelete, "/versions/"+number(id), q, match(etag), nil, &v)
	return v, err
}

// Diff compares two versions.
func (c *Client) Diff(ctx context.Context, a, b int64, k, users int) (d Diff, err error) {
	q := url.Values{}
	if k > 0 {
		q.Set("k", number(int64(k)))
	}
	if users > 0 {
		q.Set("users", number(int64(users)))
	}
	_, err = c.Do(ctx, http.MethodGet, "/versions/"+number(a)+"/diff/"+number(b), q, nil, nil, &d)
	return d, err
}

func match(etag string) http.Header { return http.Header{"If-Match": {etag}} }
