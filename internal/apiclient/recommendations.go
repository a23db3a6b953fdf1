package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/recflow/recflow/internal/recommend"
)

// listValues is a request as the query of an address. What is left out takes the
// server's default.
func listValues(r recommend.Request) url.Values {
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

// Recommend asks for the list of a user, or of nobody but the recent items.
func (c *Client) Recommend(ctx context.Context, r recommend.Request) (l recommend.List, err error) {
	path := "/recommendations"
	if r.UserID != "" {
		path += "/" + segment(r.UserID)
	}
	_, err = c.Do(ctx, http.MethodGet, path, listValues(r), nil, nil, &l)
	return l, err
}

// Explain asks where the score of an item for the request's user comes from.
func (c *Client) Explain(ctx context.Context, r recommend.Request, itemID string) (e recommend.Explanation, err error) {
	q := listValues(r)
	q.Set("item", itemID)
	_, err = c.Do(ctx, http.MethodGet, "/recommendations/"+segment(r.UserID)+"/explain", q, nil, nil, &e)
	return e, err
}
