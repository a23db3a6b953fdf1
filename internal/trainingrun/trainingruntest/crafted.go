package trainingruntest

import (
	"bytes"
	"encoding/binary"
)

// CraftedFooters are Parquet files, by what is wrong with them, for whose footers
// parquet-go would allocate gigabytes: its "out of memory" no recover survives.
// Every error about them says "malformed".
func CraftedFooters() map[string][]byte {
	billions := []byte{0xff, 0xff, 0xff, 0xff, 0x07}
	files := map[string][]byte{}
	for name, footer := range map[string][]byte{
		"2 billion columns":       append([]byte{0x15, 0x02, 0x19, 0xfc}, billions...), // version 1, then a list of structures
		"a name of 2 GB":          append([]byte{0x15, 0x02, 0x18}, billions...),
		"2 billion unknown bools": append([]byte{0x15, 0x02, 0xe9, 0xf1}, billions...),
		"more than any file has":  append([]byte{0x15, 0x02, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x01}, make([]byte, 1<<21+1)...),
		"a bottomless nesting":    bytes.Repeat([]byte{0x1c}, 1000),
		"a map":                   {0x1b, 0x01, 0x88},
		"nothing":                 {},
	} {
		files[name] = WithFooter(footer)
	}
	return files
}

// WithFooter is a Parquet file that has a footer and nothing else.
func WithFooter(footer []byte) []byte {
	file := append([]byte("PAR1"), footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}
