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
