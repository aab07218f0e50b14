package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// CheckpointEvery is after how many blocks Verify checks a signature. Every block is signed when it is sealed; since a block's hash
// covers all before it, the last one's signature vouches for the whole chain, and those between only say earlier where it breaks.
const CheckpointEvery = 64

// MaxBlock is how many records a block holds at most.
const MaxBlock = 4096

// Leaf is the hash of a record within its block (RFC 6962: a leaf is told from a node by its first byte).
func Leaf(body []byte) (h Hash) {
	d := sha256.New()
	_, _ = d.Write([]byte{0})
	_, _ = d.Write(body)
	d.Sum(h[:0])
	return h
}

// Root is the Merkle tree hash of leaves in their order (RFC 6962 section 2.1).
func Root(leaves []Hash) Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := Root(leaves[:k]), Root(leaves[k:])
	var buf [1 + 2*sha256.Size]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[1+sha256.Size:], right[:])
	return sha256.Sum256(buf[:])
}

// Block seals records: everything that its hash covers.
type Block struct {
	Tenant  string
	Seq     uint64 // 1, 2, ...
	Prev    Hash   // of the block before; zero for the first
	Root    Hash
	Records int
	At      time.Time // to the microsecond
}

// Hash of a block.
func (b Block) Hash() (h Hash) {
	d := sha256.New()
	var n [8]byte
	put := func(v uint64) {
		binary.BigEndian.PutUint64(n[:], v)
		_, _ = d.Write(n[:])
	}
	_, _ = d.Write([]byte("ringmaster ledger block 1\x00"))
	put(uint64(len(b.Tenant)))
	_, _ = d.Write([]byte(b.Tenant))
	put(b.Seq)
	_, _ = d.Write(b.Prev[:])
	_, _ = d.Write(b.Root[:])
	put(uint64(max(b.Records, 0)))
	put(uint64(b.At.UnixMicro())) //nolint:gosec // the sign bit is hashed with the rest
	d.Sum(h[:0])
	return h
}

// Sign makes the checkpoint's signature of a block.
func Sign(key ed25519.PrivateKey, hash Hash) []byte {
	return ed25519.Sign(key, append([]byte("ringmaster ledger checkpoint 1\x00"), hash[:]...))
}

// Signed reports whether sig is key's signature of the block with that hash.
func Signed(key ed25519.PublicKey, hash Hash, sig []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, append([]byte("ringmaster ledger checkpoint 1\x00"), hash[:]...), sig)
}

// ErrKey is a key that cannot be read.
var ErrKey = errors.New("a public key is \"ed25519:\" and 44 characters of base64: ask the operator for the output of `ringmaster ledger key`")

// KeyText is a public key as operators pass it on.
func KeyText(key ed25519.PublicKey) string {
	return "ed25519:" + base64.StdEncoding.EncodeToString(key)
}

// ParseKey reads KeyText.
func ParseKey(s string) (ed25519.PublicKey, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), "ed25519:")
	if !ok {
		return nil, ErrKey
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, ErrKey
	}
	return raw, nil
}

// KeyID is a short name of a public key: it tells keys apart and proves nothing.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(append([]byte("ringmaster ledger key id\x00"), key...))
	return fmt.Sprintf("%x", sum[:8])
}
