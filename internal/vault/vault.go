package vault

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Errors.
var (
	// ErrSealed: what was read is not what was sealed, or not with this key.
	ErrSealed = errors.New("vault: the original does not open: it was altered, cut off, or sealed with another key")
	// ErrRetired: a retired key wraps nothing any more.
	ErrRetired = errors.New("vault: the key is retired: rotate, and use the current one")
	// ErrNoKey: the ring does not hold the key.
	ErrNoKey = errors.New("vault: the key ring does not hold this key")
)

const (
	chunkSize = 64 << 10
	magic     = "RMV1"
	keySize   = 32
)

// DataKey seals one object.
type DataKey [keySize]byte

// String keeps the key out of logs.
func (DataKey) String() string { return "vault.DataKey(…)" }

// GoString keeps the key out of logs.
func (DataKey) GoString() string { return "vault.DataKey(…)" }

// NewDataKey makes one.
func NewDataKey() (k DataKey, err error) {
	_, err = rand.Read(k[:])
	return k, err
}

// Key is a key of the ring: it wraps data keys.
type Key struct {
	ID      string
	retired bool
	aead    cipher.AEAD
}

// NewKey takes 32 bytes; its ID is made of them without telling them.
func NewKey(raw []byte, retired bool) (Key, error) {
	if len(raw) != keySize {
		return Key{}, fmt.Errorf("%w: a key has 32 bytes", ErrNoKey)
	}
	aead, err := gcm(raw)
	sum := sha256.Sum256(append([]byte("ringmaster vault key id\x00"), raw...))
	return Key{ID: hex.EncodeToString(sum[:8]), retired: retired, aead: aead}, err
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Wrap seals a data key for an object: tenant and object are authenticated with
// it, so that a row copied elsewhere does not open.
func (k Key) Wrap(d DataKey, tenant, object string) ([]byte, error) {
	if k.retired {
		return nil, ErrRetired
	}
	if k.aead == nil {
		return nil, ErrNoKey
	}
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return k.aead.Seal(nonce, nonce, d[:], about(k.ID, tenant, object)), nil
}

// Unwrap opens what Wrap sealed.
func (k Key) Unwrap(wrapped []byte, tenant, object string) (d DataKey, err error) {
	if k.aead == nil {
		return d, ErrNoKey
	}
	n := k.aead.NonceSize()
	if len(wrapped) < n {
		return d, ErrSealed
	}
	plain, err := k.aead.Open(nil, wrapped[:n], wrapped[n:], about(k.ID, tenant, object))
	if err != nil || len(plain) != keySize {
		return d, ErrSealed
	}
	copy(d[:], plain)
	return d, nil
}

func about(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

func nonceOf(n uint64, last bool) []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[3:], n)
	if last {
		nonce[11] = 1
	}
	return nonce
}

// Seal copies r to w, sealed with d.
func Seal(w io.Writer, r io.Reader, d DataKey) error {
	aead, err := gcm(d[:])
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, magic); err != nil {
		return err
	}
	in := bufio.NewReaderSize(r, chunkSize+1)
	buf := make([]byte, chunkSize)
	out := make([]byte, 0, chunkSize+aead.Overhead())
	for n := uint64(0); ; n++ {
		k, err := io.ReadFull(in, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		last, err := over(in)
		if err != nil {
			return err
		}
		out = aead.Seal(out[:0], nonceOf(n, last), buf[:k], []byte(magic))
		if _, err := w.Write(out); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// over reports that nothing more comes.
func over(in *bufio.Reader) (bool, error) {
	_, err := in.Peek(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// Open copies what Seal wrote from r to w. On an error w holds only what was
// proven until then, and it is not the whole.
func Open(w io.Writer, r io.Reader, d DataKey) error {
	aead, err := gcm(d[:])
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(r, chunkSize+aead.Overhead()+1)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		return fmt.Errorf("%w: it has no known form", ErrSealed)
	}
	buf := make([]byte, chunkSize+aead.Overhead())
	plain := make([]byte, 0, chunkSize)
	for n := uint64(0); ; n++ {
		k, err := io.ReadFull(in, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		last, err := over(in)
		if err != nil {
			return err
		}
		if plain, err = aead.Open(plain[:0], nonceOf(n, last), buf[:k], []byte(magic)); err != nil {
			return fmt.Errorf("%w (chunk %d)", ErrSealed, n)
		}
		if _, err := w.Write(plain); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}
