package compliance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func write(t testing.TB, dir string, i int, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.yaml", i)), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
