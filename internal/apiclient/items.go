package apiclient

import (
	"context"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// CurrentItem is the current state of an item: its data in the live version, and
// its overrides.
type CurrentItem struct {
	recsys.Item
	Known     bool       `json:"known" doc:"Whether the item exists in the live version. Only then can it be recommended."`
	Version   int64      `json:"version,omitempty" doc:"The live version."`
	Overrides *ItemState `json:"overrides,omitempty" doc:"Overrides that apply on top of every version."`
}

// ItemState is the overrides of an item, which apply on top of every version.
// Nil means that the version's value applies.
type ItemState struct {
	Available *bool     `json:"available,omitempty"`
	Source    string    `json:"source,omitempty" enum:"operator,catalog" doc:"Where available comes from: operator (PUT /items), which wins, or catalog (POST /catalog/apply). Absent without available."`
	Title     *string   `json:"title,omitempty"`
	Category  *string   `json:"category,omitempty"`
	Tags      []string  `json:"tags,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
}

// The sources of an item's availability.
const (
	SourceOperator = "operator"
	SourceCatalog  = "catalog"
)

// ItemChange changes the overrides of an item. Absent fields stay as they are.
type ItemChange struct {
	Available *bool    `json:"available,omitempty" doc:"Whether the item may be recommended."`
	Title     *string  `json:"title,omitempty" maxLength:"1000"`
	Category  *string  `json:"category,omitempty" maxLength:"256" doc:"Category of the item. Empty: no category."`
	Tags      []string `json:"tags,omitzero" maxItems:"100" doc:"All tags of the item. Empty: no tags."`
	Reset     []string `json:"reset,omitempty" maxItems:"4" enum:"available,title,category,tags" doc:"Overrides to remove, so that the version's value applies again."`
}

// NamedItemChange changes the overrides of an item.
type NamedItemChange struct {
	ItemID string `json:"item_id" maxLength:"256"`
	ItemChange
}

// ItemChanges changes the overrides of many items.
type ItemChanges struct {
	Items []NamedItemChange `json:"items" minItems:"1" maxItems:"1000"`
}

// ItemResult is the result of one change of many.
type ItemResult struct {
	ItemID  string `json:"item_id"`
	Changed bool   `json:"changed" doc:"Whether the change was made."`
	Known   bool   `json:"known" doc:"Whether the item exists in the live version. Only then can it be recommended."`
	Detail  string `json:"detail,omitempty" doc:"Why the change was not made."`
}

// ItemResults is the result of a change of many items, in the order of the request.
type ItemResults struct {
	Items []ItemResult `json:"items"`
}

// MaxItemChanges is the number of items that SetItems changes at most.
const MaxItemChanges = 1000

// SetItems changes the overrides of up to MaxItemChanges items.
func (c *Client) SetItems(ctx context.Context, changes []NamedItemChange) (r ItemResults, err error) {
	_, err = c.Do(ctx, http.MethodPut, "/items", nil, nil, ItemChanges{changes}, &r)
	return r, err
}

// Item returns the current state of an item.
func (c *Client) Item(ctx context.Context, id string) (i CurrentItem, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/items/"+segment(id), nil, nil, nil, &i)
	return i, err
}

// SetItem changes the overrides of an item.
func (c *Client) SetItem(ctx context.Context, id string, change ItemChange) (i CurrentItem, err error) {
	_, err = c.Do(ctx, http.MethodPut, "/items/"+segment(id), nil, nil, change, &i)
	return i, err
}

// Similar returns the items nearest to an item.
func (c *Client) Similar(ctx context.Context, id string, r ListRequest) (l List, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/items/"+segment(id)+"/similar", r.values(), nil, nil, &l)
	return l, err
}
