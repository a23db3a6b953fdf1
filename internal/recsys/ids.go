package recsys

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
)

// missingWords are what exporters and browsers write for a value that is missing.
var missingWords = []string{"null", "(null)", "<null>", "nan", "none", "undefined", `\N`, "n/a", "#n/a", "<na>", "nil"}

// MissingWord reports whether a text stands for a missing value in the output of
// common programs, such as NULL, NaN or undefined, in any case. As the id of a user
// it would unite all users without one.
func MissingWord(s string) bool {
	if len(s) > len("undefined") || len(s) < 2 {
		return false
	}
	switch s[0] {
	case 'n', 'N', 'u', 'U', '(', '<', '#', '\\':
	default:
		return false // as almost every id
	}
	for _, w := range missingWords {
		if strings.EqualFold(s, w) {
			return true
		}
	}
	return false
}

// WholeFloat returns the digits of a whole number that is written as a float, as
// data frames write ids if one is missing: 101 for "101.0".
func WholeFloat(s string) (digits string, ok bool) {
	end := len(s)
	for end > 0 && s[end-1] == '0' {
		end--
	}
	if end == len(s) || end < 2 || s[end-1] != '.' {
		return s, false
	}
	digits = s[:end-1]
	sign := 0
	if digits[0] == '-' {
		sign = 1
	}
	if sign == len(digits) {
		return s, false
	}
	for i := sign; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return s, false
		}
	}
	return digits, true
}

// ContentEventID returns the id of an event by its content: user, item, type, time
// and value. Without hasTime the time is not part of it. The same event has the same
// id in every file, and two equal events are one.
func ContentEventID(e *Event, hasTime bool) string {
	b := make([]byte, 0, 128)
	for _, s := range []string{e.UserID, e.ItemID, e.EventType} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	if hasTime {
		b = append(b, 't')
		b = binary.BigEndian.AppendUint64(b, uint64(e.OccurredAt.UnixMicro()))
	}
	if e.Value != nil {
		b = append(b, 'v')
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(*e.Value))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
