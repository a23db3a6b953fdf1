package apiclient

import (
	"context"
	"net/http"
)

// Recommend returns the list of a user, or of the recent items alone.
func (c *Client) Recommend(ctx context.Context, r ListRequest) (l List, err error) {
	path := "/recommendations"
	if r.UserID != "" {
		path += "/" + segment(r.UserID)
	}
	_, err = c.Do(ctx, http.MethodGet, path, r.values(), nil, nil, &l)
	return l, err
}

// Explain returns the contributions to the score of an item for the request's
// user.
func (c *Client) Explain(ctx context.Context, r ListRequest, itemID string) (e Explanation, err error) {
	q := r.values()
	q.Set("item", itemID)
	_, err = c.Do(ctx, http.MethodGet, "/recommendations/"+segment(r.UserID)+"/explain", q, nil, nil, &e)
	return e, err
}

// RecommendBatch returns the lists of at most MaxBatch users. An invalid user
// has a Problem instead of a list; an error affects the whole request.
func (c *Client) RecommendBatch(ctx context.Context, r BatchRequest) (b BatchLists, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/recommendations/batch", nil, nil, r, &b)
	return b, err
}
