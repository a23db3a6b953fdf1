package report

import (
	"encoding/base64"
	"encoding/hex"
)

const (
	maxCheckpoints  = 1024
	checkpointBytes = 8
)

// Checkpoints are the beginnings of the Prefix of a file after every Step rows, in
// base64. There are at most 1,024, so the step is 1 for a file of up to 1,024 rows, and
// less than a 512th of the rows of a larger one. Steps are powers of two.
type Checkpoints struct {
	Step    int64  `json:"step"`
	Digests string `json:"digests"`
}

// At returns the last checkpoint of the first rows of a file, and its row; 0 if there is
// none.
func (c Checkpoints) At(rows int64) (row int64, digest string) {
	b, err := base64.StdEncoding.DecodeString(c.Digests)
	if err != nil || c.Step < 1 {
		return 0, ""
	}
	n := min(rows/c.Step, int64(len(b)/checkpointBytes))
	if n < 1 {
		return 0, ""
	}
	return n * c.Step, string(b[(n-1)*checkpointBytes : n*checkpointBytes])
}

// checkpoints collects Checkpoints while rows are read.
type checkpoints struct {
	step    int64
	digests []byte
}

// due reports whether the digest after a row is to be added.
func (c *checkpoints) due(row int64) bool { return row%max(1, c.step) == 0 }

// add adds the digest after a row that is due. It drops every other one when there are
// too many.
func (c *checkpoints) add(prefix string) {
	c.step = max(1, c.step)
	if len(c.digests) == maxCheckpoints*checkpointBytes {
		kept := c.digests[:0]
		for at := checkpointBytes; at < len(c.digests); at += 2 * checkpointBytes {
			kept = append(kept, c.digests[at:at+checkpointBytes]...)
		}
		c.digests, c.step = kept, 2*c.step
		return // an odd multiple of the old step
	}
	digest, _ := hex.DecodeString(prefix[:2*checkpointBytes]) // Prefix is in hex
	c.digests = append(c.digests, digest...)
}

// Checkpoints returns the checkpoints of the rows so far.
func (t *Tally) Checkpoints() Checkpoints {
	return Checkpoints{Step: max(1, t.checkpoints.step), Digests: base64.StdEncoding.EncodeToString(t.checkpoints.digests)}
}
