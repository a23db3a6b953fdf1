package trainingruntest

import (
	"bytes"
	"encoding/binary"
)

// CraftedFooters returns Parquet files, by defect, for whose footers parquet-go
// would allocate gigabytes and die. Every error about them contains
// "malformed".
func CraftedFooters() map[string][]byte {
	billions := []byte{0xff, 0xff, 0xff, 0xff, 0x07}
	files := map[string][]byte{}
	for name, footer := range map[string][]byte{
		"2 billion columns":                    append([]byte{0x15, 0x02, 0x19, 0xfc}, billions...), // version 1, then a list of structures
		"a name of 2 GB":                       append([]byte{0x15, 0x02, 0x18}, billions...),
		"2 billion unknown bools":              append([]byte{0x15, 0x02, 0xe9, 0xf1}, billions...),
		"more list elements than any file has": append([]byte{0x15, 0x02, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x01}, make([]byte, 1<<21+1)...),
		"unlimited nesting":                    bytes.Repeat([]byte{0x1c}, 1000),
		"a map":                                {0x1b, 0x01, 0x88},
		"nothing":                              {},
	} {
		files[name] = WithFooter(footer)
	}
	return files
}

// WithFooter returns a Parquet file that consists of a footer only.
func WithFooter(footer []byte) []byte {
	file := append([]byte("PAR1"), footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}
