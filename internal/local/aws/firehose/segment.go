package firehose

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A segment is a file of records that become one object. Its name has the arrival
// time of its first record and ends in random digits, so the key of the object is
// known before the file is complete: a delivery repeated after a crash replaces the
// object by an identical one.
type segment struct {
	path    string
	arrived time.Time
	id      string
	file    *os.File // nil once it is sealed
	size    int64    // bytes of the file
	payload int64    // bytes of its records, while it is open
}

const segmentSuffix = ".records"

// frame precedes a record: its length, and the CRC-32 of the length and the record.
// (The CRC includes the length so that a file that ends in zeros after a power loss
// does not read as empty records.)
const frame = 8

func newSegment(dir string, now time.Time) (*segment, error) {
	s := &segment{arrived: now, id: uuid.NewString()}
	s.path = filepath.Join(dir, fmt.Sprintf("%020d-%s%s", now.UnixNano(), s.id, segmentSuffix))
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s.file = file
	return s, syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// segments returns the segments left by an earlier process, oldest first.
func segments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []*segment
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		stamp, id, cut := strings.Cut(name, "-")
		nanos, err := strconv.ParseInt(stamp, 10, 64)
		if !ok || !cut || err != nil {
			return nil, fmt.Errorf("%s is not a file of records", filepath.Join(dir, e.Name()))
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, &segment{
			path: filepath.Join(dir, e.Name()), arrived: time.Unix(0, nanos).UTC(), id: id, size: info.Size(),
		})
	}
	slices.SortFunc(out, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// append writes records, all or a part of them; they are durable after sync.
func (s *segment) append(records [][]byte) error {
	var buf []byte
	for _, r := range records {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(r)))
		buf = append(buf, head...)
		buf = binary.BigEndian.AppendUint32(buf, checksum(head, r))
		buf = append(buf, r...)
		s.payload += int64(len(r))
	}
	n, err := s.file.Write(buf)
	s.size += int64(n)
	return err
}

func checksum(head, record []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, record)
}

func (s *segment) sync() error { return s.file.Sync() }

func (s *segment) seal() error {
	err := s.file.Close()
	s.file = nil
	return err
}

// copy writes the records of a sealed segment in order, each followed by the
// delimiter. rest is the unreadable part: in a file truncated by a crash, the end,
// which was never acknowledged.
func (s *segment) copy(w io.Writer, delimiter string) (records int, rest []byte, err error) {
	data, err := os.ReadFile(s.path) // no larger than a buffer and the puts that filled it
	if err != nil {
		return 0, nil, err
	}
	for len(data) > 0 {
		record, after, ok := unframe(data)
		if !ok {
			return records, data, nil
		}
		if _, err := w.Write(record); err != nil {
			return records, nil, err
		}
		if _, err := io.WriteString(w, delimiter); err != nil {
			return records, nil, err
		}
		records++
		data = after
	}
	return records, nil, nil
}

// unframe removes the first record from data.
func unframe(data []byte) (record, after []byte, ok bool) {
	if len(data) < frame {
		return nil, nil, false
	}
	n := int64(binary.BigEndian.Uint32(data))
	if n > int64(len(data)-frame) {
		return nil, nil, false
	}
	record = data[frame : frame+n]
	return record, data[frame+n:], checksum(data[:4], record) == binary.BigEndian.Uint32(data[4:])
}

// key returns the key of the segment's object under a validated prefix.
func (s *segment) key(stream, prefix string) string {
	folder, _ := evaluate(prefix, s.arrived)
	return fmt.Sprintf("%s%s-1-%s-%s.gz", folder, stream, s.arrived.UTC().Format("2006-01-02-15-04-05"), s.id)
}

func newRecordID() string { return rand.Text() + rand.Text() }
