package recsys

import (
	"unicode"
	"unicode/utf8"
)

// SameType reports whether two names of event types mean the same type: they are
// compared without case, `_`, `-` and spaces, so AddToCart and add-to-cart are
// add_to_cart. An event keeps its name as it was sent.
func SameType(a, b string) bool {
	if a == b {
		return true
	}
	for {
		x, m := nextLetter(a)
		y, n := nextLetter(b)
		if x != y {
			return false
		}
		if m == 0 || n == 0 {
			return m == n
		}
		a, b = a[m:], b[n:]
	}
}

// nextLetter returns the first compared rune of a name in lower case, and the number
// of bytes up to its end; 0 bytes mean that there is none.
func nextLetter(name string) (r rune, end int) {
	for end < len(name) {
		r, n := utf8.DecodeRuneInString(name[end:])
		end += n
		if r != '_' && r != '-' && r != ' ' {
			return unicode.ToLower(r), end
		}
	}
	return 0, 0
}

// IsImpression reports whether events of the type record what was shown to a user, not
// what the user did.
func IsImpression(eventType string) bool { return SameType(eventType, Impression) }
