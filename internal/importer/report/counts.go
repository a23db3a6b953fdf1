package report

// ids counts the events of a user or an item by the form of its id.
type ids struct{ plain, padded int64 }

// eventID counts the rows with an event id, and those that differ from its first.
type eventID struct {
	content          uint64
	rows, conflicted int64
}

// sketches count the ids and contents of rows.
type sketches struct {
	users, items sketch[ids]
	eventIDs     sketch[eventID]
	contents     sketch[int64]
}

// hashes are those of the ids and the content of a row.
type hashes struct {
	user, item, content, id                uint64
	isEvent, hasID, paddedUser, paddedItem bool
}

// batchRows is the number of rows that are counted together.
const batchRows = 4096

// count counts a row. Full batches are counted alongside the reading of the next.
func (t *Tally) count(h hashes) {
	if t.batch == nil {
		t.batch, t.counted = make([]hashes, 0, batchRows), make([]hashes, 0, batchRows)
	}
	t.batch = append(t.batch, h)
	if len(t.batch) < batchRows {
		return
	}
	t.counting.Wait()
	t.batch, t.counted = t.counted[:0], t.batch
	t.counting.Go(func() { t.sketches.add(t.counted) })
}

// all returns the counts of all rows so far.
func (t *Tally) all() *sketches {
	t.counting.Wait()
	t.sketches.add(t.batch)
	t.batch = t.batch[:0]
	return &t.sketches
}

func (s *sketches) add(rows []hashes) {
	for i := range rows {
		h := &rows[i]
		if e := s.items.at(h.item); e != nil {
			e.add(h.paddedItem)
		}
		if !h.isEvent {
			continue
		}
		if e := s.users.at(h.user); e != nil {
			e.add(h.paddedUser)
		}
		if n := s.contents.at(h.content); n != nil {
			*n++
		}
		if !h.hasID {
			continue
		}
		if e := s.eventIDs.at(h.id); e != nil {
			e.add(h.content)
		}
	}
}

func (e *ids) add(padded bool) {
	if padded {
		e.padded++
	} else {
		e.plain++
	}
}

func (e *eventID) add(content uint64) {
	if e.rows++; e.rows == 1 {
		e.content = content
	} else if e.content != content {
		e.conflicted++
	}
}
