package recsys

// Override applies to an item on top of every version. A nil field has no
// override.
type Override struct {
	Available       *bool
	Title, Category *string
	Tags            []string
}

// IsZero reports whether o overrides nothing.
func (o Override) IsZero() bool {
	return o.Available == nil && o.Title == nil && o.Category == nil && o.Tags == nil
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

// OverrideRevision is a state of the overrides of a database. Number grows with every
// change, in the order of the commits.
type OverrideRevision struct {
	// Database changes when the database is restored, or its server restarts: numbers
	// are comparable only within one value.
	Database string
	Number   int64
}

// Includes reports whether a reader that has r also has all changes of other.
func (r OverrideRevision) Includes(other OverrideRevision) bool {
	return r.Database == other.Database && r.Number >= other.Number
}
