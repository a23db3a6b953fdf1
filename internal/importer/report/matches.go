package report

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// kept is the number of ids in a Fingerprint.
const kept = 1024

// Fingerprint identifies the users and items of a file well enough to estimate how
// many of them another file has: the smallest hashes of their ids, each with the
// form of the id, in base64. It does not contain the ids.
type Fingerprint struct {
	Users string `json:"users,omitempty"`
	Items string `json:"items,omitempty"`
}

// Fingerprint returns the fingerprint of the rows so far.
func (t *Tally) Fingerprint() Fingerprint {
	return Fingerprint{Users: encode(&t.all().users), Items: encode(&t.all().items)}
}

// Each hash is stored with its form: padded or not.
const entryBytes = 9

func encode(s *sketch[ids]) string {
	var b []byte
	for _, e := range s.smallest(kept) {
		b = binary.BigEndian.AppendUint64(b, e.hash)
		b = append(b, e.value.form())
	}
	return base64.StdEncoding.EncodeToString(b)
}

const (
	formPlain byte = 1 << iota
	formPadded
)

func (e *ids) form() (f byte) {
	if e.plain > 0 {
		f |= formPlain
	}
	if e.padded > 0 {
		f |= formPadded
	}
	return f
}

// Matches estimates how much of a file the earlier imports know.
type Matches struct {
	Imports int      `json:"imports"`         // number of earlier imports that were compared
	Users   *float64 `json:"users,omitempty"` // share of the file's users that earlier imports have; absent: none has users
	Items   *float64 `json:"items,omitempty"` // share of the file's items

	// Share of the file's users and items that earlier imports have with another
	// number of leading zeros.
	PaddedUsers float64 `json:"padded_users,omitempty"`
	PaddedItems float64 `json:"padded_items,omitempty"`
}

// Match compares the rows so far with the fingerprints of earlier imports. It
// returns nil if there are none.
func (t *Tally) Match(earlier []Fingerprint) *Matches {
	if len(earlier) == 0 {
		return nil
	}
	m := &Matches{Imports: len(earlier)}
	var users, items []string
	for _, f := range earlier {
		users, items = append(users, f.Users), append(items, f.Items)
	}
	m.Users, m.PaddedUsers = match(&t.all().users, users)
	m.Items, m.PaddedItems = match(&t.all().items, items)
	return m
}

// match returns the shares of the sketch's ids that are in any of the encoded
// sets. Each set is complete up to its largest hash, or altogether if it is
// small, so a hash up to the smallest of those bounds is in a set or unknown.
func match(s *sketch[ids], encoded []string) (known *float64, padded float64) {
	bound := s.bound
	forms := map[uint64]byte{}
	for _, text := range encoded {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) < entryBytes {
			continue
		}
		var last uint64
		for e := range slices.Chunk(b[:len(b)/entryBytes*entryBytes], entryBytes) {
			last = binary.BigEndian.Uint64(e)
			forms[last] |= e[8]
		}
		if len(b)/entryBytes == kept {
			bound = min(bound, last)
		}
	}
	if len(forms) == 0 || len(s.entries) == 0 {
		return nil, 0
	}
	var n, same, other float64
	for _, e := range s.entries {
		if e.hash > bound {
			continue
		}
		n++
		switch f := forms[e.hash]; {
		case f&e.value.form() != 0:
			same++
		case f != 0:
			other++
		}
	}
	if n == 0 {
		return nil, 0
	}
	share := same / n
	return &share, other / n
}
