package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"ringmaster/internal/phone"
)

// A sealed number is version (1 byte), key ID (4 bytes), nonce (12 bytes) and AES-256-GCM ciphertext with tag (NIST SP 800-38D). The
// tenant is authenticated with it, so that a row copied to another tenant does not open.
const (
	sealVersion = 1
	keyIDLen    = 4
	nonceLen    = 12
)

type keyID [keyIDLen]byte

type keyring struct {
	hmac    []byte
	current keyID
	keys    map[keyID]cipher.AEAD
}

// newKeyring takes the fingerprint key, the key to seal with and earlier keys that may still be needed to open.
func newKeyring(hmac, crypt []byte, old [][]byte) (*keyring, error) {
	if len(hmac) != 32 {
		return nil, fmt.Errorf("%w: the number key must have 32 bytes", ErrConfig)
	}
	k := &keyring{hmac: append([]byte(nil), hmac...), keys: map[keyID]cipher.AEAD{}}
	for _, raw := range append([][]byte{crypt}, old...) {
		if len(raw) != 32 {
			return nil, fmt.Errorf("%w: an encryption key must have 32 bytes", ErrConfig)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		k.keys[idOf(raw)] = aead
	}
	k.current = idOf(crypt)
	return k, nil
}

// idOf names a key without telling it.
func idOf(key []byte) keyID {
	sum := sha256.Sum256(append([]byte("ringmaster number key id\x00"), key...))
	return keyID(sum[:keyIDLen])
}

func (k *keyring) seal(tenant string, n phone.Number) ([]byte, error) {
	if n.IsZero() {
		return nil, nil
	}
	return k.sealBytes(tenant, []byte(n.Reveal()))
}

// sealBytes seals for a context that is authenticated with it: the tenant, for numbers.
func (k *keyring) sealBytes(context string, plain []byte) ([]byte, error) {
	head := make([]byte, 1+keyIDLen+nonceLen)
	head[0] = sealVersion
	copy(head[1:], k.current[:])
	if _, err := rand.Read(head[1+keyIDLen:]); err != nil {
		return nil, err
	}
	return k.keys[k.current].Seal(head, head[1+keyIDLen:], plain, aad(context, head)), nil
}

// open gives the number back; no bytes are no number.
func (k *keyring) open(tenant string, sealed []byte) (phone.Number, error) {
	if len(sealed) == 0 {
		return phone.Number{}, nil
	}
	plain, err := k.openBytes(tenant, sealed)
	if err != nil {
		return phone.Number{}, err
	}
	n, err := phone.Restore(string(plain))
	if err != nil {
		return phone.Number{}, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return n, nil
}

func (k *keyring) openBytes(context string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+keyIDLen+nonceLen+1 || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: it has no known form", ErrSealed)
	}
	aead, ok := k.keys[keyID(sealed[1:1+keyIDLen])]
	if !ok {
		return nil, fmt.Errorf("%w: key %x is not there", ErrSealed, sealed[1:1+keyIDLen])
	}
	head := sealed[:1+keyIDLen+nonceLen]
	plain, err := aead.Open(nil, head[1+keyIDLen:], sealed[len(head):], aad(context, head))
	if err != nil {
		return nil, fmt.Errorf("%w: it was altered or belongs to another tenant", ErrSealed)
	}
	return plain, nil
}

func aad(tenant string, head []byte) []byte {
	return append([]byte(tenant+"\x00"), head[:1+keyIDLen]...)
}

func (k *keyring) fingerprint(n phone.Number) hash32 { return n.Hash(k.hmac) }
