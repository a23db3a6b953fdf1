package firehose

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A segment is a file of records that become one object. Its name says when its
// first record arrived and ends in random digits, so the key of the object is
// known before the file is complete: a delivery that is repeated after a crash
// replaces the object by itself.
type segment struct {
	path    string
	arrived time.Time
	id      string
	file    *os.File // nil once it is sealed
	bytes   int64    // of records
}

const segmentSuffix = ".records"

// frame precedes a record: its length and the CRC-32 of its bytes.
const frame = 8

func newSegment(dir string, now time.Time) (*segment, error) {
	var random [16]byte
	rand.Read(random[:])
	s := &segment{arrived: now, id: uuid(random)}
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

func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// segments are those that an earlier process left behind, oldest first.
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
			return nil, fmt.Errorf("%s is no file of records", filepath.Join(dir, e.Name()))
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, &segment{
			path: filepath.Join(dir, e.Name()), arrived: time.Unix(0, nanos).UTC(), id: id, bytes: info.Size(),
		})
	}
	slices.SortFunc(out, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// append writes records; they are safe after sync.
func (s *segment) append(records [][]byte) error {
	var buf []byte
	for _, r := range records {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(r)))
		buf = binary.BigEndian.AppendUint32(buf, crc32.ChecksumIEEE(r))
		buf = append(buf, r...)
		s.bytes += int64(len(r))
	}
	_, err := s.file.Write(buf)
	return err
}

func (s *segment) sync() error { return s.file.Sync() }

func (s *segment) seal() error {
	err := s.file.Close()
	s.file = nil
	return err
}

// copy writes the records of a sealed segment one after the other. It ends at a
// record that was not written whole, which nobody was told to be safe.
func (s *segment) copy(w io.Writer) (records int, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<16)
	var head [frame]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return records, ended(err)
		}
		n := binary.BigEndian.Uint32(head[:4])
		if n > MaxRecord {
			return records, nil
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(r, data); err != nil {
			return records, ended(err)
		}
		if crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(head[4:]) {
			return records, nil
		}
		if _, err := w.Write(data); err != nil {
			return records, err
		}
		records++
	}
}

func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

var timestamp = regexp.MustCompile(`!\{timestamp:([^}]*)\}`)

// key is the object that the segment becomes.
func (s *segment) key(stream Stream) string {
	at := s.arrived.UTC()
	prefix := timestamp.ReplaceAllStringFunc(stream.Prefix, func(m string) string {
		pattern := timestamp.FindStringSubmatch(m)[1]
		layout := strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05").Replace(pattern)
		return at.Format(layout)
	})
	return fmt.Sprintf("%s%s-1-%s-%s.gz", prefix, stream.Name, at.Format("2006-01-02-15-04-05"), s.id)
}

func newRecordID() string { return rand.Text() + rand.Text() }
