package trainingrun

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/recflow/recflow/internal/recsys"
)

var (
	errNull       = errors.New("it is null")
	errNotFinite  = errors.New("it has a value that is not a finite number")
	errZeroVector = errors.New("all its values are zero")
)

// checkVector checks that a vector is finite and not zero. The loop only
// computes the largest magnitude: the bits of a float32 without its sign sort
// like an integer, with infinity and NaNs at the top and zero at the bottom.
func checkVector(v []float32) error {
	var a, b uint32
	for len(v) >= 4 {
		a = max(a, math.Float32bits(v[0])&^sign, math.Float32bits(v[1])&^sign)
		b = max(b, math.Float32bits(v[2])&^sign, math.Float32bits(v[3])&^sign)
		v = v[4:]
	}
	for _, x := range v {
		a = max(a, math.Float32bits(x)&^sign)
	}
	switch a = max(a, b); {
	case a >= infinity:
		return errNotFinite
	case a == 0:
		return errZeroVector
	}
	return nil
}

const (
	sign     = uint32(1) << 31
	infinity = uint32(0x7f800000)
)

// checkID is recsys.CheckID with a fast path for ordinary ids.
func checkID(s string) error {
	if len(s) == 0 || len(s) > recsys.MaxIDBytes || !printable(s) {
		return recsys.CheckID("it", s)
	}
	return nil
}

// printable reports whether s is all printable ASCII.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// checkText returns a check for text of at most limit bytes that Postgres can
// store.
func checkText(limit int) func(string) error {
	return func(s string) error {
		switch {
		case len(s) > limit:
			return fmt.Errorf("it is %d bytes long; at most %d are accepted", len(s), limit)
		case printable(s):
			return nil
		case !utf8.ValidString(s):
			return errors.New("it is not valid UTF-8")
		case strings.IndexByte(s, 0) >= 0:
			return errors.New("it contains a NUL character")
		}
		return nil
	}
}

var (
	checkTitle    = checkText(recsys.MaxTitleBytes)
	checkCategory = checkText(recsys.MaxCategoryBytes)
	checkTag      = checkText(recsys.MaxTagBytes)
)

func checkWeight(x float32) error {
	if !(x > 0) || math.IsInf(float64(x), 0) {
		return fmt.Errorf("it has the weight %v; a weight must be finite and positive", x)
	}
	return nil
}

func checkFinite(x float64) error {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return errNotFinite
	}
	return nil
}

func checkPopularity(x float64) error {
	if !(x >= 0) || math.IsInf(x, 0) {
		return fmt.Errorf("it is %v; it must be finite and not negative", x)
	}
	return nil
}
