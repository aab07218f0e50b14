package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Secret is a value that is never printed. In the file it is written as
// env:NAME (an environment variable), file:/path (a file's first line) or as
// it is.
type Secret struct{ value string }

// NewSecret wraps a value that does not come from a file.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal gives the value to whoever must have it.
func (s Secret) Reveal() string { return s.value }

// IsZero reports an absent secret.
func (s Secret) IsZero() bool { return s.value == "" }

// String hides the value.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return "config.Secret(" + s.String() + ")" }

// Format hides the value from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the three forms.
func (s *Secret) UnmarshalText(text []byte) error {
	v := string(text)
	switch {
	case strings.HasPrefix(v, "env:"):
		name := v[len("env:"):]
		if s.value = os.Getenv(name); s.value == "" {
			return fmt.Errorf("environment variable %s is not set", name)
		}
	case strings.HasPrefix(v, "file:"):
		data, err := os.ReadFile(v[len("file:"):])
		if err != nil {
			return fmt.Errorf("secret file cannot be read: %w", err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		if s.value = strings.TrimRight(line, "\r"); s.value == "" {
			return fmt.Errorf("secret file %s is empty", v[len("file:"):])
		}
	default:
		s.value = v
	}
	return nil
}

// Key decodes a secret of exactly 32 bytes, in hex or base64.
func (s Secret) Key() ([]byte, error) {
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if b, err := decode(s.value); err == nil && len(b) == 32 {
			return b, nil
		}
	}
	return nil, fmt.Errorf("a key is 32 bytes in hex or base64: make one with `openssl rand -hex 32`")
}
