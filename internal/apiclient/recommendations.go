package apiclient

import (
	"context"
	"net/http"
)

// Recommend asks for the list of a user, or of nobody but the recent items.
func (c *Client) Recommend(ctx context.Context, r ListRequest) (l List, err error) {
	path := "/recommendations"
	if r.UserID != "" {
		path += "/" + segment(r.UserID)
	}
	_, err = c.Do(ctx, http.MethodGet, path, r.values(), nil, nil, &l)
	return l, err
}

// Explain asks where the score of an item for the request's user comes from.
func (c *Client) Explain(ctx context.Context, r ListRequest, itemID string) (e Explanation, err error) {
	q := r.values()
	q.Set("item", itemID)
	_, err = c.Do(ctx, http.MethodGet, "/recommendations/"+segment(r.UserID)+"/explain", q, nil, nil, &e)
	return e, err
}

// RecommendBatch asks for the lists of at most MaxBatch users. What is wrong with
// one user is a Problem in place of the user's list; an error is about all of them.
func (c *Client) RecommendBatch(ctx context.Context, r BatchRequest) (b BatchLists, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/recommendations/batch", nil, nil, r, &b)
	return b, err
}
