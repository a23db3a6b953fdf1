package recsys

// Override applies to an item on top of every version. A nil field has no
// override.
type Override struct {
	Available       *bool
	Title, Category *string
	Tags            []string
}

// Apply returns the item with the override.
func (o Override) Apply(item Item) Item {
	if o.Available != nil {
		item.Available = *o.Available
	}
	if o.Title != nil {
		item.Title = *o.Title
	}
	if o.Category != nil {
		item.Category = *o.Category
	}
	if o.Tags != nil {
		item.Tags = o.Tags
	}
	return item
}
