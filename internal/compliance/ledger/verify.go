package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Report is what an export holds, as far as it was read.
type Report struct {
	Tenant     string
	ExportedAt time.Time
	Blocks     uint64
	Records    uint64
	Permits    uint64
	Voids      uint64
	Attempts   uint64 // placed calls, each with its one permit
	Messages   uint64 // permits of acts that are no calls
	Signatures uint64 // checked
	Head       Checkpoint
}

// BrokenError names the first row that is not as it was sealed.
type BrokenError struct {
	Line    int    // from 1
	Row     string // which one: "block 7", "permit 0199...", "attempt ..."
	Problem string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("the ledger is broken at line %d (%s): %s", e.Line, e.Row, e.Problem)
}

// maxLine bounds a line in bytes.
const maxLine = 1 << 20

// known is what is kept of a permit until the export's end.
type known struct {
	at    int64
	line  int32
	leaf  [8]byte
	call  bool
	void  bool
	calls bool // its attempt was met
}

// verifier holds the state between lines. Its memory grows by some 60 bytes a permit and not otherwise.
type verifier struct {
	key     ed25519.PublicKey
	earlier map[uint64]Hash
	report  Report
	digest  hash.Hash
	line    int
	head    blockLine // the last block
	inBlock []Hash    // leaves met of it
	opened  int       // line of the last block
	permits map[uuid.UUID]known
	calls   uint64 // permits of calls that were not voided
	last    uuid.UUID
	part    int // of the file: see the constants
}

// Parts of the file in their order.
const (
	atHeader = iota
	atBlocks
	atAttempts
	atEnd
)

// Verify reads an export and proves it against the public key and against checkpoints that the auditor kept from before. The error is a
// *BrokenError that names the first broken row, or one of reading.
func Verify(r io.Reader, key ed25519.PublicKey, earlier ...Checkpoint) (Report, error) {
	v := &verifier{key: key, earlier: map[uint64]Hash{}, digest: sha256.New(), permits: map[uuid.UUID]known{}}
	for _, c := range earlier {
		v.earlier[c.Seq] = c.Hash
	}
	in := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			v.line++
			return v.report, v.broken("line", "it is longer than a mebibyte")
		case err != nil && !errors.Is(err, io.EOF):
			return v.report, fmt.Errorf("the export cannot be read: %w", err)
		case err != nil && len(text) == 0:
			return v.report, v.finish()
		}
		v.line++
		if err != nil {
			return v.report, v.broken("line", "it does not end: the file was cut off")
		}
		if err := v.take(text[:len(text)-1]); err != nil {
			return v.report, err
		}
		_, _ = v.digest.Write(text)
	}
}

func (v *verifier) broken(row, problem string) error {
	return &BrokenError{Line: v.line, Row: row, Problem: problem}
}

// take judges one line.
func (v *verifier) take(text []byte) error {
	if bytes.HasPrefix(text, []byte(recordHead)) {
		return v.record(text)
	}
	kind := ""
	if !fields(text, func(k, value []byte) bool {
		if string(k) == "type" {
			kind = string(unquoted(value))
		}
		return true
	}) {
		return v.broken("line", "it is no JSON object")
	}
	switch kind {
	case "ledger":
		return v.header(text)
	case "block":
		return v.block(text)
	case "attempt":
		return v.attempt(text)
	case "end":
		return v.end(text)
	}
	return v.broken("line", fmt.Sprintf("a line of type %.20q is not known", kind))
}

// exactly decodes a line whose bytes are those that the writer would have written: nothing hides in another spelling.
func exactly[T any](text []byte, into *T) bool {
	if json.Unmarshal(text, into) != nil {
		return false
	}
	again, err := json.Marshal(*into)
	return err == nil && bytes.Equal(again, text)
}

func (v *verifier) header(text []byte) error {
	var h header
	switch {
	case v.part != atHeader:
		return v.broken("header", "there is a second one, or it does not come first")
	case !exactly(text, &h):
		return v.broken("header", "it was altered: it is not as a header is written")
	case h.Format != Format:
		return v.broken("header", fmt.Sprintf("format %.40q is not %q", h.Format, Format))
	case h.Key != KeyID(v.key):
		return v.broken("header", fmt.Sprintf("it was signed by key %.20q, and the key given is %q", h.Key, KeyID(v.key)))
	}
	v.report.Tenant, v.report.ExportedAt, v.part = h.Tenant, h.ExportedAt, atBlocks
	return nil
}

func (v *verifier) block(text []byte) error {
	var b blockLine
	row := "block " + strconv.FormatUint(v.report.Blocks+1, 10)
	switch {
	case v.part != atBlocks:
		return v.broken(row, "a block stands where none may: lines were moved or doubled")
	case !b.read(text):
		return v.broken(row, "it was altered: it is not as a block is written")
	}
	if err := v.closeBlock(); err != nil {
		return err
	}
	row = "block " + strconv.FormatUint(b.Seq, 10)
	sealed := Block{Tenant: v.report.Tenant, Seq: b.Seq, Prev: b.Prev, Root: b.Root, Records: b.Records, At: b.At}.Hash()
	switch {
	case b.Seq != v.report.Blocks+1:
		return v.broken(row, fmt.Sprintf("block %d should stand here: blocks were dropped, doubled or moved", v.report.Blocks+1))
	case b.Prev != v.report.Head.Hash:
		return v.broken(row, "it does not follow the block before it: one of the two was altered or exchanged")
	case sealed != b.Hash:
		return v.broken(row, "its hash is not that of its content: it was altered, or is another tenant's")
	case b.Records <= 0 || b.Records > MaxBlock:
		return v.broken(row, fmt.Sprintf("it claims %d records", b.Records))
	}
	if want, ok := v.earlier[b.Seq]; ok && want != b.Hash {
		return v.broken(row, "it is not the block of the checkpoint that was kept: the chain was written anew")
	}
	v.head, v.opened, v.inBlock = b, v.line, v.inBlock[:0]
	v.report.Blocks, v.report.Head = b.Seq, Checkpoint{Seq: b.Seq, Hash: b.Hash}
	if b.Seq%CheckpointEvery == 0 {
		return v.signature()
	}
	return nil
}

// signature checks the last block's.
func (v *verifier) signature() error {
	if !Signed(v.key, v.head.Hash, v.head.Signature) {
		return &BrokenError{Line: v.opened, Row: fmt.Sprintf("block %d", v.head.Seq), Problem: "its signature is not that of the key: the chain was written anew without it"}
	}
	v.report.Signatures++
	return nil
}

// closeBlock checks the records of the last block once they are all there.
func (v *verifier) closeBlock() error {
	if v.report.Blocks == 0 {
		return nil
	}
	row := "block " + strconv.FormatUint(v.head.Seq, 10)
	switch {
	case len(v.inBlock) < v.head.Records:
		return v.broken(row, fmt.Sprintf("%d of its %d records are missing before this line", v.head.Records-len(v.inBlock), v.head.Records))
	case Root(v.inBlock) != v.head.Root:
		return &BrokenError{Line: v.opened, Row: row, Problem: "its records are not those that it sealed: one was altered together with its hash, exchanged or moved"}
	}
	return nil
}

func (v *verifier) record(text []byte) error {
	const at = len(recordHead)
	const from = at + 2*sha256.Size + len(recordBody)
	row := "record"
	if v.part != atBlocks || v.report.Blocks == 0 {
		return v.broken(row, "a record stands outside of a block")
	}
	if len(text) < from+3 || string(text[from-len(recordBody):from]) != recordBody || text[len(text)-1] != '}' {
		return v.broken(row, "it was altered: it is not as a record is written")
	}
	raw := text[from : len(text)-1]
	var b body
	if !b.read(raw) {
		return v.broken(row, "it was altered: its body cannot be read")
	}
	row = string(b.Kind[:min(len(b.Kind), 8)]) + " " + b.ID.String()
	leaf := Leaf(raw)
	var stated [2 * sha256.Size]byte
	hex.Encode(stated[:], leaf[:])
	switch {
	case !bytes.Equal(stated[:], text[at:at+len(stated)]):
		return v.broken(row, "its hash is not that of its body: it was altered")
	case b.Tenant != v.report.Tenant:
		return v.broken(row, "it is another tenant's")
	case len(v.inBlock) >= v.head.Records:
		return v.broken(row, fmt.Sprintf("block %d has %d records and this is one too many: it was added or doubled", v.head.Seq, v.head.Records))
	}
	v.inBlock = append(v.inBlock, leaf)
	v.report.Records++
	return v.count(row, b, leaf)
}

// count holds a record against those before it.
func (v *verifier) count(row string, b body, leaf Hash) error {
	have, seen := v.permits[b.ID]
	switch b.Kind {
	case KindPermit:
		switch {
		case seen:
			return v.broken(row, fmt.Sprintf("there is another permit of the same act at line %d", have.line))
		case b.Rules == "" || b.Verdicts == 0:
			return v.broken(row, "it names no rules or no verdict: nothing was judged")
		case b.Other != "":
			return v.broken(row, fmt.Sprintf("a verdict in it is %.10q: nothing may be done on that", b.Other))
		}
		k := known{at: b.At.UnixMicro(), line: int32(min(v.line, 1<<31-1)), call: b.Channel == "voice"} //nolint:gosec // bounded
		copy(k.leaf[:], leaf[:])
		v.permits[b.ID] = k
		v.report.Permits++
		if k.call {
			v.calls++
		} else {
			v.report.Messages++
		}
	case KindVoid:
		if !seen || have.void {
			return v.broken(row, "it voids a permit that is not there or was voided before")
		}
		have.void = true
		v.permits[b.ID] = have
		v.report.Voids++
		if have.call {
			v.calls--
		}
	default:
		return v.broken(row, "a record of this kind is not known")
	}
	return nil
}

func (v *verifier) attempt(text []byte) error {
	var a attemptLine
	row := "attempt"
	if v.part != atBlocks && v.part != atAttempts {
		return v.broken(row, "an attempt stands where none may: lines were moved or doubled")
	}
	if v.part == atBlocks {
		if err := v.closeBlock(); err != nil {
			return err
		}
		v.part = atAttempts
	}
	if !a.read(text) {
		return v.broken(row, "it was altered: it is not as an attempt is written")
	}
	row = "attempt " + a.ID.String()
	k, ok := v.permits[a.ID]
	switch {
	case bytes.Compare(a.ID[:], v.last[:]) <= 0 && v.report.Attempts > 0:
		return v.broken(row, "it is there twice, or attempts were moved")
	case !ok:
		return v.broken(row, "it was placed without a permit in the chain")
	case !k.call:
		return v.broken(row, "its permit is one for a message")
	case k.void:
		return v.broken(row, "its permit was voided, and yet it was placed")
	case k.at != a.PlacedAt.UnixMicro() || !bytes.Equal(k.leaf[:], a.Permit[:len(k.leaf)]):
		return v.broken(row, fmt.Sprintf("it does not name the permit of line %d as its own: one of the two was altered", k.line))
	}
	k.calls = true
	v.permits[a.ID] = k
	v.last = a.ID
	v.report.Attempts++
	return nil
}

func (v *verifier) end(text []byte) error {
	var e endLine
	if v.part != atBlocks && v.part != atAttempts {
		return v.broken("end", "it stands where none may: lines were moved or doubled")
	}
	if v.part == atBlocks {
		if err := v.closeBlock(); err != nil {
			return err
		}
	}
	v.part = atEnd
	if v.report.Blocks > 0 {
		if err := v.signature(); err != nil {
			return err
		}
	}
	for seq := range v.earlier {
		if seq > v.report.Blocks {
			return v.broken("end", fmt.Sprintf("the chain ends at block %d, and a checkpoint of block %d was kept: its end was cut off", v.report.Blocks, seq))
		}
	}
	if v.report.Attempts != v.calls {
		return v.orphan()
	}
	var sum Hash
	v.digest.Sum(sum[:0])
	switch {
	case !exactly(text, &e):
		return v.broken("end", "it was altered: it is not as an end is written")
	case !ed25519.Verify(v.key, e.signed(), e.Signature):
		return v.broken("end", "its signature is not that of the key")
	case e.Blocks != v.report.Blocks || e.Head != v.report.Head.Hash || e.Records != v.report.Records || e.Attempts != v.report.Attempts || e.Lines != sum:
		return v.broken("end", "the file is not the one that was signed: lines were altered, dropped or added")
	}
	return nil
}

// orphan names the first permit of a call whose attempt is not there.
func (v *verifier) orphan() error {
	first := &BrokenError{Line: 1<<31 - 1, Problem: "its call is not among the placed attempts: an attempt was dropped"}
	for id, k := range v.permits {
		if k.call && !k.void && !k.calls && int(k.line) < first.Line {
			first.Line, first.Row = int(k.line), "permit "+id.String()
		}
	}
	return first
}

// finish is what must have been met when the file is over.
func (v *verifier) finish() error {
	if v.part == atEnd {
		return nil
	}
	v.line++
	return v.broken("end", "it is not there: the file was cut off")
}
