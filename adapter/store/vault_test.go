package store

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"ringmaster/internal/vault"
)

// An original is opened with a reason only, which is written down; rotation
// wraps every data key anew and leaves nothing behind that the old key opens.
func TestVaultOpensWithAReasonAndRotates(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		ctx := t.Context()
		keys := map[string]vault.DataKey{}
		for range 120 {
			d, err := vault.NewDataKey()
			if err != nil {
				t.Fatal(err)
			}
			id := uuid.Must(uuid.NewV7())
			if err := s.PutOriginal(ctx, "acme", Original{ID: id, Kind: "recording", Ref: id.String(), Path: "x"}, d); err != nil {
				t.Fatal(err)
			}
			keys[id.String()] = d
		}
		check := func() {
			t.Helper()
			for ref, d := range keys {
				if _, got, err := s.OpenOriginal(ctx, "acme", "recording", ref, "ann", "complaint 4711, court order"); err != nil || got != d {
					t.Fatalf("%v", err)
				}
				break
			}
		}
		check()
		for ref := range keys {
			for _, c := range [][2]string{{"", "complaint 4711"}, {"ann", ""}, {"ann", "why not"}} {
				if _, d, err := s.OpenOriginal(ctx, "acme", "recording", ref, c[0], c[1]); !errors.Is(err, ErrReason) || d != (vault.DataKey{}) {
					t.Errorf("actor %q, reason %q: %v", c[0], c[1], err)
				}
			}
			if _, _, err := s.OpenOriginal(ctx, "other", "recording", ref, "ann", "complaint 4711"); err == nil {
				t.Error("another tenant opened it")
			}
			break
		}
		audits := func() (n int64) {
			if err := s.w.Raw("SELECT COUNT(*) FROM audit WHERE action = 'vault.read'").Row().Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := audits(); n != 1 {
			t.Errorf("%d audit rows for one reading", n)
		}
		n, err := s.RotateVault(ctx, "acme")
		if err != nil || n != len(keys) {
			t.Fatalf("%d wrapped anew, %v", n, err)
		}
		check()
		var ring int64
		if err := s.w.Raw("SELECT COUNT(*) FROM key_ring WHERE tenant_id = 'acme'").Row().Scan(&ring); err != nil || ring != 1 {
			t.Errorf("%d keys in the ring, %v", ring, err)
		}
		if n, err = s.RotateVault(ctx, "nobody"); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
