package tabular

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// converter returns the conversion of a column's values to cells, or nil if the
// column's type has no values. Texts are copied, because pages are reused.
func converter(leaf *parquet.Column) (func(parquet.Value) Cell, error) {
	t := leaf.Type()
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.NullType:
			return nil, nil
		case *format.TimestampType:
			return timestamps(l.Unit.Value), nil
		case *format.DateType:
			return instants(func(v parquet.Value) int64 { return int64(v.Int32()) * 86400 }, time.Second), nil
		case *format.IntType:
			if !l.IsSigned {
				return unsigned(t.Kind())
			}
		case *format.DecimalType:
			return decimals(t.Kind(), l)
		case *format.UUIDType:
			return texts(uuid), nil
		case *format.StringType, *format.EnumType, *format.JsonType:
		default:
			return nil, fmt.Errorf("has the type %s; write it as a number, a timestamp or text", l)
		}
	}
	if c := t.ConvertedType(); c != nil && *c == deprecated.Interval {
		return nil, fmt.Errorf("has the type INTERVAL; write it as a number, a timestamp or text")
	}
	return plainConverter(t.Kind())
}

func plainConverter(k parquet.Kind) (func(parquet.Value) Cell, error) {
	switch k {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return func(v parquet.Value) Cell {
			b := v.ByteArray()
			switch {
			case len(b) == 0:
				return Cell{}
			case len(b) > maxRecord:
				return Cell{Kind: CellInvalid, Text: "is longer than 1 MiB"}
			}
			return Cell{Kind: CellText, Text: string(b)}
		}, nil
	case parquet.Int32:
		return texts(func(v parquet.Value) string { return strconv.FormatInt(int64(v.Int32()), 10) }), nil
	case parquet.Int64:
		return texts(func(v parquet.Value) string { return strconv.FormatInt(v.Int64(), 10) }), nil
	case parquet.Int96:
		return instants(int96Micros, time.Microsecond), nil
	case parquet.Double:
		return floats(64, parquet.Value.Double), nil
	case parquet.Float:
		return floats(32, func(v parquet.Value) float64 { return float64(v.Float()) }), nil
	case parquet.Boolean:
		return texts(func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) }), nil
	}
	return nil, fmt.Errorf("has the unknown type %s", k)
}

func texts(f func(parquet.Value) string) func(parquet.Value) Cell {
	return func(v parquet.Value) Cell { return Cell{Kind: CellText, Text: f(v)} }
}

// floats converts floating-point numbers. Data frames convert ids to them if one
// is missing: 123.0 is "123", and NaN is a missing value.
func floats(bits int, f func(parquet.Value) float64) func(parquet.Value) Cell {
	return func(v parquet.Value) Cell {
		x := f(v)
		if math.IsNaN(x) {
			return Cell{}
		}
		return Cell{Kind: CellText, Text: strconv.FormatFloat(x, 'f', -1, bits)}
	}
}

// unsigned converts integers of which parquet-go returns the bits.
func unsigned(k parquet.Kind) (func(parquet.Value) Cell, error) {
	switch k {
	case parquet.Int32:
		return texts(func(v parquet.Value) string { return strconv.FormatUint(uint64(v.Uint32()), 10) }), nil
	case parquet.Int64:
		return texts(func(v parquet.Value) string { return strconv.FormatUint(v.Uint64(), 10) }), nil
	}
	return nil, fmt.Errorf("has the type unsigned %s; write it as a number or text", k)
}

// maxDecimal is the maximum length of a decimal, in bytes and in digits.
const maxDecimal = 256

// decimals converts decimals to their digits, with as many after the point as the
// type has: 4.50 of DECIMAL(3,2), and 123 of DECIMAL(38,0).
func decimals(k parquet.Kind, t *format.DecimalType) (func(parquet.Value) Cell, error) {
	scale := int(t.Scale)
	if scale < 0 || scale > maxDecimal {
		return nil, fmt.Errorf("has the type %s; write it as a number or text", t)
	}
	switch k {
	case parquet.Int32:
		return texts(func(v parquet.Value) string { return pointed(strconv.FormatInt(int64(v.Int32()), 10), scale) }), nil
	case parquet.Int64:
		return texts(func(v parquet.Value) string { return pointed(strconv.FormatInt(v.Int64(), 10), scale) }), nil
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return func(v parquet.Value) Cell {
			b := v.ByteArray()
			if len(b) == 0 || len(b) > maxDecimal {
				return Cell{Kind: CellInvalid, Text: fmt.Sprintf("is a decimal of %d bytes", len(b))}
			}
			n := new(big.Int).SetBytes(b)
			if b[0] >= 0x80 { // two's complement
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b)))) //nolint:gosec // at most 2048
			}
			return Cell{Kind: CellText, Text: pointed(n.String(), scale)}
		}, nil
	}
	return nil, fmt.Errorf("has the type %s of %s; write it as a number or text", t, k)
}

// pointed puts a decimal point before the last scale digits.
func pointed(digits string, scale int) string {
	if scale == 0 {
		return digits
	}
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

func timestamps(unit format.TimeUnitValue) func(parquet.Value) Cell {
	switch unit.(type) {
	case *format.MilliSeconds:
		return instants(parquet.Value.Int64, time.Millisecond)
	case *format.MicroSeconds:
		return instants(parquet.Value.Int64, time.Microsecond)
	}
	return instants(func(v parquet.Value) int64 { return v.Int64() / 1000 }, time.Microsecond)
}

// instants converts times since 1970 in a unit of a microsecond or more.
func instants(f func(parquet.Value) int64, unit time.Duration) func(parquet.Value) Cell {
	by := int64(unit / time.Microsecond)
	return func(v parquet.Value) Cell { return Cell{Kind: CellTime, Time: scaled(f(v), by)} }
}

// scaled multiplies without overflow: an extreme time stays extreme.
func scaled(n, by int64) int64 {
	switch {
	case n > math.MaxInt64/by:
		return math.MaxInt64
	case n < math.MinInt64/by:
		return math.MinInt64
	}
	return n * by
}

// int96Micros converts Impala's timestamps: nanoseconds of the day, Julian day.
func int96Micros(v parquet.Value) int64 {
	const (
		epoch = 2440588 // Julian day of 1970-01-01
		day   = 86400e6
	)
	t := v.Int96()
	midnight := scaled(int64(t[2])-epoch, day)
	if midnight == math.MaxInt64 {
		return midnight
	}
	nanos := int64(uint64(t[1])<<32 | uint64(t[0])) //nolint:gosec // of a day; a wrong one makes a wrong time
	return midnight + nanos/1000
}

func uuid(v parquet.Value) string {
	h := hex.EncodeToString(v.ByteArray())
	if len(h) != 32 {
		return h
	}
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
