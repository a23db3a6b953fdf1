package safeparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// runSlack is how many values beyond those of its page a run may have: writers fill
// up the last group of a bit-packed run.
const runSlack = 1024

var errRuns = errors.New("a page has runs of more values than it claims")

// checkRuns walks values in the hybrid of run lengths and bit packing. parquet-go
// allocates every run at the length that it claims.
func checkRuns(data []byte, bitWidth int, values int32) error {
	if bitWidth > 32 {
		return fmt.Errorf("a page has values of %d bits", bitWidth)
	}
	left := int64(values) + runSlack
	for len(data) > 0 {
		head, n := binary.Uvarint(data)
		if n <= 0 {
			return errors.New("a page ends inside a run")
		}
		data = data[n:]
		count, bytes := int64(min(head>>1, math.MaxInt32)), int64((bitWidth+7)/8)
		if head&1 != 0 { // groups of eight values
			bytes = count * int64(bitWidth)
			count *= 8
		}
		if left -= count; left < 0 {
			return errRuns
		}
		data = data[min(bytes, int64(len(data))):] // parquet-go reports a run that is cut
	}
	return nil
}

// checkDelta checks the number of values of a delta encoding, which parquet-go
// allocates, and returns the data after them. Its blocks are parsed only for that.
func checkDelta(data []byte, values int32) (rest []byte, err error) {
	var head [4]uint64 // values of a block, miniblocks of a block, values, first value
	for i := range head {
		n := 0
		if head[i], n = binary.Uvarint(data); n <= 0 {
			return nil, errDeltaShort
		}
		data = data[n:]
	}
	perBlock, miniblocks, total := head[0], head[1], head[2]
	if perBlock == 0 || perBlock > 1<<16 || miniblocks == 0 || miniblocks > perBlock/8 {
		return nil, errors.New("a page has a delta encoding with invalid blocks")
	}
	if total > uint64(values) {
		return nil, errRuns
	}
	perMiniblock := perBlock / miniblocks
	for left := int64(total) - 1; left > 0; {
		_, n := binary.Uvarint(data)
		if n <= 0 || uint64(len(data)-n) < miniblocks {
			return nil, errDeltaShort
		}
		widths := data[n : n+int(miniblocks)]
		data = data[n+int(miniblocks):]
		for _, width := range widths {
			if left <= 0 {
				break
			}
			if width > 64 {
				return nil, errors.New("a page has a delta encoding with invalid blocks")
			}
			data = data[min(perMiniblock*uint64(width)/8, uint64(len(data))):]
			left -= int64(perMiniblock)
		}
	}
	return data, nil
}

var errDeltaShort = errors.New("a page ends inside a delta encoding")

// checkDeltaBytes checks texts that share prefixes with their predecessors, which a
// page of a few bytes can extend to any size. limit is in bytes.
func checkDeltaBytes(data []byte, values, limit int32) error {
	suffixes, err := checkDelta(data, values)
	if err != nil {
		return err
	}
	if _, err := checkDelta(suffixes, values); err != nil {
		return err
	}
	var sum int64
	for _, part := range [][]byte{data, suffixes} {
		lengths, err := new(delta.BinaryPackedEncoding).DecodeInt32(nil, part)
		if err != nil {
			return err
		}
		for _, n := range lengths {
			if sum += int64(n); n < 0 || sum > int64(limit) {
				return fmt.Errorf("the texts of a page have more than %d bytes", limit)
			}
		}
	}
	return nil
}
