package apiclient

import (
	"context"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// ItemNow is an item as it is now: what the live version was loaded with, and what
// is said of it since.
type ItemNow struct {
	recsys.Item
	Known   bool       `json:"known" doc:"Whether the live version has it. Only then can it be in a list."`
	Version int64      `json:"version,omitempty" doc:"The live version."`
	Said    *ItemState `json:"said,omitempty" doc:"What is said of it beside the versions, and holds in all of them."`
}

// ItemState holds the overrides of an item, which apply on top of every version.
// What is nil is left to the version.
type ItemState struct {
	Available *bool     `json:"available,omitempty"`
	Title     *string   `json:"title,omitempty"`
	Category  *string   `json:"category,omitempty"`
	Tags      []string  `json:"tags,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ItemChange changes what is said of an item. What is left out stays as it is.
type ItemChange struct {
	Available *bool    `json:"available,omitempty" doc:"Whether it may be in a list."`
	Title     *string  `json:"title,omitempty" maxLength:"1000"`
	Category  *string  `json:"category,omitempty" maxLength:"256" doc:"Empty for none."`
	Tags      []string `json:"tags,omitzero" maxItems:"100" doc:"All of them; empty for none."`
	Reset     []string `json:"reset,omitempty" maxItems:"4" enum:"available,title,category,tags" doc:"What is left to the versions again."`
}

// Item asks for an item.
func (c *Client) Item(ctx context.Context, id string) (i ItemNow, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/items/"+segment(id), nil, nil, nil, &i)
	return i, err
}

// SetItem changes what is said of an item.
func (c *Client) SetItem(ctx context.Context, id string, change ItemChange) (i ItemNow, err error) {
	_, err = c.Do(ctx, http.MethodPut, "/items/"+segment(id), nil, nil, change, &i)
	return i, err
}

// Similar asks for the items nearest to an item.
func (c *Client) Similar(ctx context.Context, id string, r ListRequest) (l List, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/items/"+segment(id)+"/similar", r.values(), nil, nil, &l)
	return l, err
}
