package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// theCaps are those of the test, judged by the product's own rule: over calls and messages, every task.
var theCaps = []compliance.Cap{
	{ID: "person_24h", Subject: compliance.SubjectPerson, Within: 24 * time.Hour, AtMost: 7},
	{ID: "person_effective", Subject: compliance.SubjectPerson, Within: 7 * 24 * time.Hour, Counts: compliance.CountEffective, AtMost: 3},
	{ID: "number_24h", Subject: compliance.SubjectNumber, Within: 24 * time.Hour, AtMost: 11},
	{ID: "person_life", Subject: compliance.SubjectPerson, Life: true, AtMost: 9},
}

// acts is how often a Place or a Spend is tried: 20,000 times with RINGMASTER_PROVE, as the figure in docs/data.md was measured.
func acts() int {
	if os.Getenv("RINGMASTER_PROVE") != "" {
		return 20_000
	}
	return 1_500
}

// TestRow_M15_NoCapIsExceededByTwoProcesses: two processes of eight workers each try to reach few people, two to a number, thousands of
// times by calls and messages over one MariaDB; some calls are taken back, some end, some stay open. No cap is exceeded, every one that
// can be is used up, and the ledger has a permit for each act.
func TestRow_M15_NoCapIsExceededByTwoProcesses(t *testing.T) {
	s, c := openNew(t, onMariaDB)
	people := acts() / 60
	seedCouples(t, s, people, acts())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	start := time.Now()
	tally := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 2 {
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCapsHelper$")
		cmd.Env = append(os.Environ(), "STORE_HELPER=1", "STORE_DIALECT="+c.Dialect, "STORE_DSN="+c.DSN, fmt.Sprintf("STORE_OWNER=p%d", i))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				what, n := "", 0
				if _, err := fmt.Sscanf(lines.Text(), "tally %s %d", &what, &n); err == nil {
					mu.Lock()
					tally[what] += n
					mu.Unlock()
				} else if strings.HasPrefix(lines.Text(), "error") {
					t.Errorf("process %d: %s", i, lines.Text())
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	tried := tally["placed"] + tally["spent"] + tally["refused"]
	if tried != acts() || tally["refused"] == 0 || tally["placed"] == 0 || tally["spent"] == 0 || tally["unplaced"] == 0 {
		t.Errorf("tried %d of %d: %v", tried, acts(), tally)
	}
	capsHold(t, s, people)
	var export bytes.Buffer
	if _, err := s.ExportLedger(ctx, "acme", &export); err != nil {
		t.Fatal(err)
	}
	r, err := ledger.Verify(&export, s.LedgerKey())
	if err != nil || int(r.Attempts) != tally["placed"]-tally["unplaced"] || int(r.Messages) != tally["spent"] || int(r.Voids) != tally["unplaced"] {
		t.Errorf("ledger %+v, %v; did %v", r, err, tally)
	}
	t.Logf("%d tries by 2 processes x 8 workers on %d people in %s (%.0f/s): %d calls placed, %d of them taken back, %d messages, %d refused, %d lock conflicts tried again; no cap exceeded",
		tried, people, took.Round(time.Millisecond), float64(tried)/took.Seconds(), tally["placed"], tally["unplaced"], tally["spent"], tally["refused"], tally["conflicts"])
}

// capsHold looks at what was consumed, past the store's own counting.
func capsHold(t *testing.T, s *Store, people int) {
	t.Helper()
	for name, q := range map[string]string{
		"person_24h":       "SELECT COUNT(*) FROM (SELECT person_id FROM budget_entry WHERE returned_at IS NULL GROUP BY person_id HAVING COUNT(*) > 7) x",
		"number_24h":       "SELECT COUNT(*) FROM (SELECT number_hmac FROM budget_entry WHERE returned_at IS NULL GROUP BY number_hmac HAVING COUNT(*) > 11) x",
		"person_effective": "SELECT COUNT(*) FROM (SELECT person_id FROM budget_entry WHERE returned_at IS NULL AND (ended_at IS NULL OR talked_at IS NOT NULL) GROUP BY person_id HAVING COUNT(*) > 3) x",
		"lives": "SELECT COUNT(*) FROM budget b WHERE b.kind = 'person' AND b.life <> (SELECT COUNT(*) FROM budget_entry e WHERE e.tenant_id = b.tenant_id " +
			"AND e.person_id = b.subject AND e.returned_at IS NULL)",
		"lives of numbers": "SELECT COUNT(*) FROM budget b WHERE b.kind = 'number' AND b.life <> (SELECT COUNT(*) FROM budget_entry e WHERE e.tenant_id = b.tenant_id " +
			"AND e.number_hmac = b.subject AND e.returned_at IS NULL)",
		"no permit": "SELECT COUNT(*) FROM budget_entry e WHERE NOT EXISTS (SELECT 1 FROM permit p WHERE p.tenant_id = e.tenant_id AND p.id = e.ref_id AND p.kind = 'permit')",
	} {
		if n := count(t, s, q); n != 0 {
			t.Errorf("%s: wrong for %d", name, n)
		}
	}
	if n := count(t, s, "SELECT COUNT(DISTINCT person_id) FROM budget_entry"); n != people {
		t.Errorf("%d of %d people were approached", n, people)
	}
	if n := count(t, s, "SELECT COUNT(*) FROM (SELECT number_hmac FROM budget_entry WHERE returned_at IS NULL GROUP BY number_hmac HAVING COUNT(*) = 11) x"); n == 0 {
		t.Error("no cap of a number was ever reached: the test tries too little")
	}
}

// seedCouples makes people, two to a number, with n ready contacts in two tasks.
func seedCouples(t *testing.T, s *Store, people, n int) {
	t.Helper()
	ctx := t.Context()
	for _, script := range []string{"s", "t"} {
		if _, err := s.EnsureTask(ctx, campaign.Task{Tenant: "acme", Script: script, Standing: true, Retry: campaign.DefaultRetry(), Purpose: campaign.Service}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range people {
		number, err := phone.Parse(fmt.Sprintf("+86139%08d", i/2), "CN")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: fmt.Sprintf("c%05d", i), Number: number}); err != nil {
			t.Fatal(err)
		}
	}
	var rows []personRow
	var tasks []taskRow
	if err := errors.Join(s.w.Find(&rows).Error, s.w.Find(&tasks).Error); err != nil {
		t.Fatal(err)
	}
	now := at(time.Now().Add(-time.Minute))
	contacts := make([]contactRow, n)
	for i := range contacts {
		contacts[i] = contactRow{TenantID: "acme", ID: binID(newUUID(t)), TaskID: tasks[i%2].ID, PersonID: rows[i%len(rows)].ID, Pool: tasks[0].Pool,
			State: string(campaign.Ready), DueAt: now, CreatedAt: now, UpdatedAt: now}
	}
	if err := s.w.CreateInBatches(contacts, 500).Error; err != nil {
		t.Fatal(err)
	}
}

// TestCapsHelper is one process of TestRow_M15_NoCapIsExceededByTwoProcesses.
func TestCapsHelper(t *testing.T) {
	if os.Getenv("STORE_HELPER") == "" {
		return // nothing of its own to test
	}
	c := config(t, onMemory)
	c.Dialect, c.DSN, c.Log = os.Getenv("STORE_DIALECT"), os.Getenv("STORE_DSN"), slog.New(slog.NewTextHandler(io.Discard, nil))
	c.RetryFor = time.Minute
	s := openAt(t, c)
	owner := os.Getenv("STORE_OWNER")
	epoch, err := s.Register(t.Context(), owner)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var h capsHelper
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			if err := h.work(t.Context(), s, campaign.Fence{Owner: owner, Epoch: epoch}, uint64(w)); err != nil {
				fmt.Println("error", err)
			}
		})
	}
	wg.Wait()
	fmt.Printf("tally placed %d\ntally unplaced %d\ntally spent %d\ntally refused %d\ntally conflicts %d\n", h.placed.Load(), h.unplaced.Load(), h.spent.Load(), h.refused.Load(), s.Stats().Conflicts)
}

type capsHelper struct{ placed, unplaced, spent, refused atomic.Int64 }

func (h *capsHelper) work(ctx context.Context, s *Store, f campaign.Fence, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	rules := compliance.Rules{compliance.Caps{Set: &compliance.Set{}, Own: theCaps}}
	judges := map[string]compliance.Judge{} // by person and channel: reading a number is most of a judge's making
	judge := func(a compliance.Act) compliance.Judge {
		k := a.Person + string(a.Channel)
		if judges[k] == nil {
			judges[k] = rules.Judge(a)
		}
		return judges[k]
	}
	for {
		as, err := s.Claim(ctx, "default", 25, f)
		if err != nil || len(as) == 0 {
			return err
		}
		for _, a := range as {
			if err := h.act(ctx, s, a, judge, rng); err != nil {
				return err
			}
		}
	}
}

// act is one try: a call, or sometimes a message.
func (h *capsHelper) act(ctx context.Context, s *Store, a campaign.Attempt, judge func(compliance.Act) compliance.Judge, rng *rand.Rand) error {
	act := actOf(a)
	message := rng.IntN(5) == 0
	var err error
	if message {
		act.Channel, act.Path = compliance.SMS, compliance.PathSMS
		err = s.Spend(ctx, uuid.Must(uuid.NewV7()), act, judge(act), nil, time.Now())
	} else {
		err = s.Place(ctx, a.Fence, campaign.Placement{PBX: "p"}, act, judge(act), time.Now())
	}
	var no *scheduler.RefusedError
	switch {
	case errors.As(err, &no):
		h.refused.Add(1)
		return nil
	case err != nil:
		return fmt.Errorf("attempt %s: %w", a.ID, err)
	case message:
		h.spent.Add(1)
		return nil
	}
	h.placed.Add(1)
	if err := s.Seal(ctx, a.Tenant); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	switch rng.IntN(10) {
	case 0:
		h.unplaced.Add(1)
		return s.Unplace(ctx, a.Fence, time.Now().Add(time.Hour), "exchange_unavailable")
	case 1, 2, 3, 4, 5:
		return s.Finish(ctx, a.Fence, campaign.Outcome{Disposition: campaign.NoAnswer, EndedAt: time.Now()}, nil)
	case 6:
		now := time.Now()
		return s.Finish(ctx, a.Fence, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: now.Add(-time.Second), EndedAt: now,
			Turns: []campaign.Turn{{Seq: 1, Side: campaign.Us, Text: "您好"}, {Seq: 2, Side: campaign.Them, Text: "你好"}}}, nil)
	}
	return nil
}
