package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func key(t *testing.T, fill byte, retired bool) Key {
	t.Helper()
	k, err := NewKey(bytes.Repeat([]byte{fill}, 32), retired)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedStreamsOpenAndOnlyWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 77} {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte(r.Uint32())
		}
		d, err := NewDataKey()
		if err != nil {
			t.Fatal(err)
		}
		var sealed, back bytes.Buffer
		if err := Seal(&sealed, bytes.NewReader(plain), d); err != nil {
			t.Fatal(err)
		}
		if err := Open(&back, bytes.NewReader(sealed.Bytes()), d); err != nil || !bytes.Equal(back.Bytes(), plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if n > 100 && bytes.Contains(sealed.Bytes(), plain[:64]) {
			t.Error("the original can be read")
		}
		raw := sealed.Bytes()
		step := chunkSize + 16
		bad := map[string][]byte{"altered": flip(raw, len(raw)-1), "head": flip(raw, 0), "cut": raw[:len(raw)-1], "longer": append(append([]byte(nil), raw...), 0), "empty": nil}
		if n > 2*chunkSize {
			bad["last chunk dropped"] = raw[:4+2*step]
			bad["first chunk dropped"] = append(append([]byte(nil), raw[:4]...), raw[4+step:]...)
			bad["chunks changed places"] = bytes.Join([][]byte{raw[:4], raw[4+step : 4+2*step], raw[4 : 4+step], raw[4+2*step:]}, nil)
			bad["a chunk twice"] = bytes.Join([][]byte{raw[:4+step], raw[4:]}, nil)
		}
		for name, b := range bad {
			if err := Open(io.Discard, bytes.NewReader(b), d); !errors.Is(err, ErrSealed) {
				t.Errorf("%d bytes, %s: %v", n, name, err)
			}
		}
		other, _ := NewDataKey()
		if err := Open(io.Discard, bytes.NewReader(raw), other); !errors.Is(err, ErrSealed) {
			t.Errorf("another key: %v", err)
		}
	}
}

func flip(b []byte, i int) []byte {
	c := append([]byte(nil), b...)
	c[i] ^= 1
	return c
}

func TestRotationRewrapsAndRetiredKeysWrapNothing(t *testing.T) {
	old, current := key(t, 1, false), key(t, 2, false)
	d, err := NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	w, err := old.Wrap(d, "acme", "rec-1")
	if err != nil {
		t.Fatal(err)
	}
	retired := key(t, 1, true)
	if _, err := retired.Wrap(d, "acme", "rec-2"); !errors.Is(err, ErrRetired) {
		t.Errorf("a retired key wraps: %v", err)
	}
	got, err := retired.Unwrap(w, "acme", "rec-1")
	if err != nil || got != d {
		t.Fatalf("a retired key does not open what it wrapped: %v", err)
	}
	again, err := current.Wrap(got, "acme", "rec-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = current.Unwrap(again, "acme", "rec-1"); err != nil || got != d {
		t.Fatal(err)
	}
	for _, c := range []struct {
		k              Key
		tenant, object string
	}{{old, "acme", "rec-1"}, {current, "other", "rec-1"}, {current, "acme", "rec-2"}, {Key{}, "acme", "rec-1"}} {
		if _, err := c.k.Unwrap(again, c.tenant, c.object); err == nil {
			t.Errorf("%s %s %s opened it", c.k.ID, c.tenant, c.object)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %s", d, d, d, d); strings.Contains(s, fmt.Sprint(d[0], d[1])) {
		t.Errorf("a key prints as %s", s)
	}
}

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	if err := Seal(&b, strings.NewReader("original"), DataKey{1}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, data []byte) { _ = Open(io.Discard, bytes.NewReader(data), DataKey{1}) })
}
