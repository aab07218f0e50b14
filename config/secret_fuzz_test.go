package config

import (
	"encoding/base64"
	"strings"
	"testing"
)

// A key is 32 bytes in one of three spellings, or an error that does not tell it.
func FuzzSecretKey(f *testing.F) {
	f.Add(strings.Repeat("5a", 32))
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	f.Add("zz")
	f.Add(strings.Repeat("=", 64))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := NewSecret(text).Key()
		switch {
		case err != nil && len(text) > 8 && strings.Contains(err.Error(), text):
			t.Fatal("the error tells the secret")
		case err == nil && len(key) != 32:
			t.Fatalf("%d bytes", len(key))
		}
	})
}
