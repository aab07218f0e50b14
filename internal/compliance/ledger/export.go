package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Format is the name of the export's form.
const Format = "ringmaster-ledger/1"

// Lines of an export, in this order: one header, then each block followed by its records, then the placed attempts by ascending ID, then
// one end. Every line is one JSON object; a record's body is its canonical bytes.
type (
	header struct {
		Type       string    `json:"type"` // ledger
		Format     string    `json:"format"`
		Tenant     string    `json:"tenant"`
		Key        string    `json:"key"` // KeyID of the key that signs
		ExportedAt time.Time `json:"exported_at"`
	}
	// {"type":"block","seq":1,"prev":"","root":"","records":1,"at":"","hash":"","signature":""}
	blockLine struct {
		Seq              uint64
		Prev, Root, Hash Hash
		Records          int
		At               time.Time
		Signature        []byte
	}
	// {"type":"attempt","id":"","state":"","placed_at":"","permit":""}
	attemptLine struct {
		ID       uuid.UUID
		State    string
		PlacedAt time.Time
		Permit   Hash
	}
	endLine struct {
		Type      string `json:"type"` // end
		Blocks    uint64 `json:"blocks"`
		Records   uint64 `json:"records"`
		Attempts  uint64 `json:"attempts"`
		Head      Hash   `json:"head"`  // of the last block; zero when there is none
		Lines     Hash   `json:"lines"` // SHA-256 of every line before this one, line feeds included
		Signature []byte `json:"signature"`
	}
)

// bytes is the line as it is written. There are as many of these lines as there are calls, so they are written and read by hand.
func (b blockLine) bytes() []byte {
	out := fmt.Appendf(nil, `{"type":"block","seq":%d,"prev":"`, b.Seq)
	out = hex.AppendEncode(out, b.Prev[:])
	out = append(out, `","root":"`...)
	out = hex.AppendEncode(out, b.Root[:])
	out = fmt.Appendf(out, `","records":%d,"at":"`, b.Records)
	out = b.At.AppendFormat(out, time.RFC3339Nano)
	out = append(out, `","hash":"`...)
	out = hex.AppendEncode(out, b.Hash[:])
	out = append(out, `","signature":"`...)
	out = base64.StdEncoding.AppendEncode(out, b.Signature)
	return append(out, `"}`...)
}

// read takes a line apart, and is content only with the bytes that would have been written: nothing hides in another spelling.
func (b *blockLine) read(line []byte) bool {
	var err error
	ok := fields(line, func(k, v []byte) bool {
		switch string(k) {
		case "seq":
			b.Seq, err = strconv.ParseUint(string(v), 10, 63)
		case "records":
			b.Records, err = strconv.Atoi(string(v))
		case "prev":
			err = b.Prev.UnmarshalText(unquoted(v))
		case "root":
			err = b.Root.UnmarshalText(unquoted(v))
		case "hash":
			err = b.Hash.UnmarshalText(unquoted(v))
		case "at":
			b.At, err = time.Parse(time.RFC3339Nano, string(unquoted(v)))
		case "signature":
			b.Signature, err = base64.StdEncoding.Strict().DecodeString(string(unquoted(v)))
		}
		return err == nil
	})
	return ok && bytes.Equal(b.bytes(), line)
}

// bytes is the line as it is written. State is a word of ours.
func (a attemptLine) bytes() []byte {
	out := append([]byte(nil), `{"type":"attempt","id":"`...)
	id, _ := a.ID.MarshalText()
	out = append(out, id...)
	out = fmt.Appendf(out, `","state":%q,"placed_at":"`, a.State)
	out = a.PlacedAt.AppendFormat(out, time.RFC3339Nano)
	out = append(out, `","permit":"`...)
	out = hex.AppendEncode(out, a.Permit[:])
	return append(out, `"}`...)
}

func (a *attemptLine) read(line []byte) bool {
	var err error
	ok := fields(line, func(k, v []byte) bool {
		switch string(k) {
		case "id":
			a.ID, err = uuid.ParseBytes(unquoted(v))
		case "state":
			a.State = string(unquoted(v))
		case "placed_at":
			a.PlacedAt, err = time.Parse(time.RFC3339Nano, string(unquoted(v)))
		case "permit":
			err = a.Permit.UnmarshalText(unquoted(v))
		}
		return err == nil
	})
	return ok && bytes.Equal(a.bytes(), line)
}

// unquoted is what stands between the quotes of a string without escapes.
func unquoted(v []byte) []byte {
	if len(v) < 2 {
		return nil
	}
	return v[1 : len(v)-1]
}

// A record's line is these two pieces around its leaf and its body, byte for byte.
const (
	recordHead = `{"type":"record","leaf":"`
	recordBody = `","body":`
)

// Attempt is a call that was placed: what the chain is held against.
type Attempt struct {
	ID       uuid.UUID
	State    string // placed or finished
	PlacedAt time.Time
	Permit   Hash // leaf of its permit
}

// Writer writes an export as it comes; it keeps nothing but sums.
type Writer struct {
	w      *bufio.Writer
	digest hash.Hash
	key    ed25519.PrivateKey
	end    endLine
}

// NewWriter begins an export of a tenant's ledger with its header.
func NewWriter(w io.Writer, tenant string, at time.Time, key ed25519.PrivateKey) (*Writer, error) {
	x := &Writer{w: bufio.NewWriterSize(w, 1<<16), digest: sha256.New(), key: key}
	public, _ := key.Public().(ed25519.PublicKey)
	return x, x.json(header{Type: "ledger", Format: Format, Tenant: tenant, Key: KeyID(public), ExportedAt: micro(at)})
}

func (x *Writer) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.line(b)
}

func (x *Writer) line(parts ...[]byte) error {
	for _, p := range append(parts, []byte("\n")) {
		_, _ = x.digest.Write(p)
		if _, err := x.w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// Block writes a block as it is stored; its records follow.
func (x *Writer) Block(b Block, stored Hash, signature []byte) error {
	x.end.Blocks++
	x.end.Head = stored
	return x.line(blockLine{Seq: b.Seq, Prev: b.Prev, Root: b.Root, Records: b.Records, At: micro(b.At), Hash: stored, Signature: signature}.bytes())
}

// Record writes a record as it is stored.
func (x *Writer) Record(leaf Hash, body []byte) error {
	x.end.Records++
	if bytes.ContainsAny(body, "\r\n") { // no body of ours: it would tear the lines apart, and cannot pass either way
		body = bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return ' '
			}
			return r
		}, body)
	}
	return x.line([]byte(recordHead+leaf.String()+recordBody), body, []byte("}"))
}

// Attempt writes a placed call; they come by ascending ID.
func (x *Writer) Attempt(a Attempt) error {
	x.end.Attempts++
	return x.line(attemptLine{ID: a.ID, State: a.State, PlacedAt: micro(a.PlacedAt), Permit: a.Permit}.bytes())
}

// Close signs and writes the end. It does not close what is below. The checkpoint is what an auditor keeps to hold later exports against.
func (x *Writer) Close() (Checkpoint, error) {
	e := x.end
	e.Type = "end"
	x.digest.Sum(e.Lines[:0])
	e.Signature = ed25519.Sign(x.key, e.signed())
	if err := x.json(e); err != nil {
		return Checkpoint{}, err
	}
	return Checkpoint{Seq: e.Blocks, Hash: e.Head}, x.w.Flush()
}

// signed is what the end's signature covers.
func (e endLine) signed() []byte {
	e.Signature = nil
	b, _ := json.Marshal(e) // numbers and hashes
	return append([]byte("ringmaster ledger export 1\x00"), b...)
}
