package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
)

// TestProcesses lets four processes create the same contact, by key, and claim from one pool: one contact a key, one claim a contact.
func TestProcesses(t *testing.T) {
	const workers, keys = 4, 25
	onAll(t, func(t *testing.T, kind string) {
		s, c := openNew(t, kind)
		seed(t, s, 1)
		if err := s.w.Exec("DELETE FROM task_contact").Error; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var starts []io.WriteCloser
		var outs []*bufio.Scanner
		var cmds []*exec.Cmd
		for i := range workers {
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProcessHelper$")
			cmd.Env = append(os.Environ(), "STORE_HELPER=1", "STORE_DIALECT="+c.Dialect, "STORE_DSN="+c.DSN, fmt.Sprintf("STORE_OWNER=p%d", i), fmt.Sprintf("STORE_KEYS=%d", keys))
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			starts, outs, cmds = append(starts, in), append(outs, bufio.NewScanner(out)), append(cmds, cmd)
		}
		for _, out := range outs { // all are connected
			if !out.Scan() || out.Text() != "ready" {
				t.Fatalf("helper says %q", out.Text())
			}
		}
		for _, in := range starts {
			_ = in.Close()
		}
		created, claimed := map[string]int{}, map[string]int{}
		ids := map[string]string{}
		for i, out := range outs {
			for out.Scan() {
				f := strings.Fields(out.Text())
				switch {
				case len(f) == 4 && f[0] == "contact": // contact KEY ID CREATED
					if ids[f[1]] != "" && ids[f[1]] != f[2] {
						t.Errorf("key %s has contacts %s and %s", f[1], ids[f[1]], f[2])
					}
					ids[f[1]] = f[2]
					if f[3] == "true" {
						created[f[1]]++
					}
				case len(f) == 2 && f[0] == "claim":
					claimed[f[1]]++
				case len(f) > 0 && f[0] == "error":
					t.Errorf("process %d: %s", i, out.Text())
				}
			}
			if err := cmds[i].Wait(); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		}
		for key, n := range created {
			if n != 1 {
				t.Errorf("key %s created %d contacts", key, n)
			}
		}
		for id, n := range claimed {
			if n != 1 {
				t.Errorf("contact %s was claimed %d times", id, n)
			}
		}
		if len(created) != keys || len(claimed) != keys || count(t, s, "SELECT COUNT(*) FROM task_contact") != keys {
			t.Errorf("%d created, %d claimed; want %d", len(created), len(claimed), keys)
		}
	})
}

// TestProcessHelper is one process of TestProcesses.
func TestProcessHelper(t *testing.T) {
	if os.Getenv("STORE_HELPER") == "" {
		return // nothing of its own to test
	}
	c := config(t, onMemory)
	c.Dialect, c.DSN, c.Log = os.Getenv("STORE_DIALECT"), os.Getenv("STORE_DSN"), slog.New(slog.NewTextHandler(io.Discard, nil))
	s := openAt(t, c)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := helper(t, s, os.Getenv("STORE_OWNER")); err != nil {
		fmt.Println("error", err)
	}
}

func helper(t *testing.T, s *Store, owner string) error {
	ctx := t.Context()
	var keys int
	if _, err := fmt.Sscan(os.Getenv("STORE_KEYS"), &keys); err != nil {
		return err
	}
	for i := range keys {
		key := fmt.Sprintf("key-%d", i)
		got, created, err := s.CreateContact(ctx, api.NewContact{
			ID: newUUID(t), Tenant: "acme", CustomerID: "c00000", Script: "s", DueAt: time.Now().Add(-time.Minute), State: campaign.Scheduled,
			IdempotencyKey: key, RequestHash: sha256.Sum256([]byte("body")),
		})
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		fmt.Println("contact", key, got.ID, created)
	}
	epoch, err := s.Register(ctx, owner)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	for empty := 0; empty < 10; {
		if _, err := s.Promote(ctx, time.Now(), 100); err != nil {
			return fmt.Errorf("promote: %w", err)
		}
		as, err := s.Claim(ctx, "default", 2, campaign.Fence{Owner: owner, Epoch: epoch})
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if len(as) == 0 {
			empty++
			time.Sleep(10 * time.Millisecond)
		}
		for _, a := range as {
			fmt.Println("claim", a.Contact.ID)
		}
	}
	return nil
}
