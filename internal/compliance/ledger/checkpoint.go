package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Checkpoint is the end of a chain as it was at some time: kept by the auditor, it shows later that nothing was cut off.
type Checkpoint struct {
	Seq  uint64
	Hash Hash
}

// String is the form that ParseCheckpoint reads: "12:9f86...".
func (c Checkpoint) String() string { return fmt.Sprintf("%d:%s", c.Seq, c.Hash) }

// ParseCheckpoint reads the text of a checkpoint.
func ParseCheckpoint(s string) (Checkpoint, error) {
	var c Checkpoint
	seq, sum, ok := strings.Cut(strings.TrimSpace(s), ":")
	n, err := strconv.ParseUint(seq, 10, 63)
	if !ok || err != nil || c.Hash.UnmarshalText([]byte(sum)) != nil {
		return c, errors.New("a checkpoint is a block's number, a colon and 64 hexadecimal digits, as an earlier export or verification printed it")
	}
	c.Seq = n
	return c, nil
}
