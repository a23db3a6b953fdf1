package trainingrun

// The three functions below decode the next n rows of every column into the
// memory of an old batch, or of a new one if old is nil.

func (r *Reader) decodeItems(old Batch, n int) (Batch, error) {
	b, _ := old.(*Items)
	if b == nil {
		b = &Items{IDs: make([]string, 0, n), Titles: make([]string, 0, n), Categories: make([]string, 0, n), Tags: make([][]string, 0, n)}
	}
	var err error
	c := r.columns
	if b.IDs, err = c[0].strings(b.IDs[:0], n, checkID); err != nil {
		return nil, err
	}
	if b.Vectors, err = c[1].vectors(&b.vectors, nil, n, r.dimension); err != nil {
		return nil, err
	}
	if b.Titles, err = c[2].strings(b.Titles[:0], n, checkTitle); err != nil {
		return nil, err
	}
	if b.Categories, err = c[3].strings(b.Categories[:0], n, checkCategory); err != nil {
		return nil, err
	}
	if b.Tags, b.tags, err = c[4].stringLists(b.Tags[:0], b.tags[:0], n, checkTag); err != nil {
		return nil, err
	}
	if b.Available, err = c[5].bools(b.Available[:0], n); err != nil {
		return nil, err
	}
	if b.Popularity, err = c[6].float64s(b.Popularity[:0], nil, n, checkPopularity); err != nil {
		return nil, err
	}
	return b, nil
}

func (r *Reader) decodeUsers(old Batch, n int) (Batch, error) {
	b, _ := old.(*Users)
	if b == nil {
		b = &Users{}
	}
	b.HasVector = b.HasVector[:0]
	var err error
	c := r.columns
	if b.IDs, err = c[0].strings(b.IDs[:0], n, checkID); err != nil {
		return nil, err
	}
	if b.Vectors, err = c[1].vectors(&b.vectors, &b.HasVector, n, r.dimension); err != nil {
		return nil, err
	}
	if b.HistoryItems, b.items, err = c[2].stringLists(b.HistoryItems[:0], b.items[:0], n, checkID); err != nil {
		return nil, err
	}
	if b.HistoryWeights, b.weights, err = c[3].float32Lists(b.HistoryWeights[:0], b.weights[:0], n); err != nil {
		return nil, err
	}
	if b.ReferenceTimes, err = c[4].times(b.ReferenceTimes[:0], n); err != nil {
		return nil, err
	}
	if b.SeenItems, b.seen, err = c[5].stringLists(b.SeenItems[:0], b.seen[:0], n, checkID); err != nil {
		return nil, err
	}
	return b, checkHistories(b)
}

func (r *Reader) decodeHoldout(old Batch, n int) (Batch, error) {
	b, _ := old.(*Holdout)
	if b == nil {
		b = &Holdout{}
	}
	b.HasValue = b.HasValue[:0]
	var err error
	c := r.columns
	for i, ids := range []*[]string{&b.UserIDs, &b.EventIDs, &b.ItemIDs, &b.EventTypes} {
		if *ids, err = c[i].strings((*ids)[:0], n, checkID); err != nil {
			return nil, err
		}
	}
	if b.Values, err = c[4].float64s(b.Values[:0], &b.HasValue, n, checkFinite); err != nil {
		return nil, err
	}
	if b.OccurredAts, err = c[5].times(b.OccurredAts[:0], n); err != nil {
		return nil, err
	}
	if b.Answers, err = c[6].bools(b.Answers[:0], n); err != nil {
		return nil, err
	}
	return b, nil
}
