package importer

import "time"

// catalogTime is when a catalog became current, in microseconds since 1970, and the
// time before which it replaces all others, or nil if it does not.
type catalogTime struct {
	importedAt     int64
	replacesBefore *int64
}

// currentAt returns when a catalog becomes current that is imported now: later than
// every earlier one.
func currentAt(now time.Time, earlier []Record) time.Time {
	at := micros(now)
	for _, e := range earlier {
		if e.Kind == KindItems && !e.current().Before(at) {
			at = e.current().Add(time.Microsecond)
		}
	}
	return at
}

// current returns when a catalog became current.
func (r Record) current() time.Time {
	if r.CatalogAt != nil {
		return *r.CatalogAt
	}
	return r.FirstImportedAt
}

// date sets when the catalog becomes current. The newest one keeps its time, so that
// importing it again changes nothing.
func (f *fileImport) date() {
	var others []Record
	for _, e := range f.earlier {
		if e.SHA256 != f.record.SHA256 {
			others = append(others, e)
		}
	}
	at := currentAt(f.options.Now(), others)
	if old := f.old; f.again && old.Complete && old.sameMapping(f.record) && old.CatalogAt != nil &&
		(old.ReplacesBefore != nil) == f.options.Replace && !old.CatalogAt.Before(currentAt(time.Time{}, others)) {
		f.record.CatalogAt, f.record.ReplacesBefore = old.CatalogAt, old.ReplacesBefore
		return
	}
	f.record.CatalogAt, f.record.ReplacesBefore = &at, nil
	if f.options.Replace {
		f.record.ReplacesBefore = &f.replacesBefore
	}
}

// catalogTime returns the times of the catalog's rows.
func (r Record) catalogTime() (c catalogTime) {
	if r.CatalogAt != nil {
		c.importedAt = r.CatalogAt.UnixMicro()
	}
	if r.ReplacesBefore != nil {
		at := r.ReplacesBefore.UnixMicro()
		c.replacesBefore = &at
	}
	return c
}
