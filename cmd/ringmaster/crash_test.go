package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// crowd are callees whose calls are over soon, so that a kill meets every
// stage of a call.
func crowd() twin.Cast {
	ms := time.Millisecond
	return twin.Cast{Rules: []twin.Rule{{Number: "*", Jitter: 400 * ms, Mix: []twin.Share{
		{Weight: 3, Script: callee.Script{Ring: 100 * ms, Steps: []callee.Step{{Wait: 500 * ms}, {Hangup: true}}}},
		{Weight: 2, Script: callee.Script{Trying: 200 * ms, Ring: 900 * ms, Steps: []callee.Step{{Wait: 300 * ms}, {Hangup: true}}}},
		{Weight: 1, Script: callee.Script{Ring: 200 * ms, Reject: 486}},
		{Weight: 1, Script: callee.Script{Ring: 300 * ms, Limit: 2 * time.Second}},
	}}}}
}

type attemptSeen struct {
	ID          string `json:"attempt_id"`
	Try         int    `json:"try"`
	State       string `json:"state"`
	Disposition string `json:"disposition"`
	Reason      string `json:"reason"`
	PBX         string `json:"pbx"`
	AnsweredAt  string `json:"answered_at"`
}

type taskSeen struct {
	ID     string `json:"task_id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Tries  int    `json:"tries"`
}

func (s taskSeen) final() bool {
	return s.State == "done" || s.State == "expired" || s.State == "blocked"
}

// Killed with -9 again and again, at chosen steps and at random moments, the
// controller rings nobody twice for one attempt, loses no attempt and leaves
// no channel behind. RINGMASTER_KILLS sets how often (default 30).
func TestKilledAtAnyMomentNobodyIsRungTwiceAndNothingIsLost(t *testing.T) {
	kills := 30
	if n, err := strconv.Atoi(os.Getenv("RINGMASTER_KILLS")); err == nil {
		kills = n
	}
	h := newHouse(t, "failpoint", crowd(), "")
	seed := uint64(time.Now().UnixNano())
	luck := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	steps := []string{"claimed", "before_place", "placed", "sealed", "ended", "finished", "adopting", "adopted"}
	orders := map[string]string{} // key -> task
	begun := time.Now()
	for k := range kills {
		environ := "RINGMASTER_FAILPOINT="
		if k%3 == 0 {
			environ += steps[(k/3)%len(steps)] + ":" + filepath.Join(h.dir, fmt.Sprintf("once-%d", k))
		}
		if h.start(environ) {
			h.order(orders, 3)
			wait := time.Duration(luck.IntN(1400)) * time.Millisecond
			if k%3 == 0 {
				wait = 1500 * time.Millisecond
			}
			select {
			case <-h.process().Done():
			case <-time.After(wait):
			}
		}
		h.kill()
	}
	t.Logf("%d lives in %s, %d orders, %d rings", h.lives, time.Since(begun).Round(time.Millisecond), len(orders), h.twin.Stats().Rings)

	// One life that is left alone ends everything.
	if !h.start() {
		t.Fatal("the last life did not start")
	}
	h.order(orders, 0)
	h.until(time.Minute, "every task is final", func() bool {
		all := h.tasks()
		if len(all) < len(orders) {
			h.order(orders, 0)
			return false
		}
		for _, s := range all {
			if !s.final() {
				return false
			}
		}
		return true
	})
	t.Logf("all final after %s", time.Since(begun).Round(time.Millisecond))
	h.until(10*time.Second, "no channel is left on the exchange", func() bool { return h.twin.Stats().Live == 0 })
	if died := h.judge(orders); died == 0 {
		t.Error("no kill met a call: the test proves nothing")
	}
	h.stop()
	h.audit()
}

// audit exports the permit ledger and verifies it: whatever died when, each placed call has its one permit in one whole chain.
func (h *house) audit() {
	h.Helper()
	file := filepath.Join(h.dir, "ledger.jsonl")
	_, said, code := run(h.T, h.bin, "ledger", "export", "--config", h.config, "--out", file)
	_, key, ok := strings.Cut(said, "public key  ")
	if code != 0 || !ok {
		h.Fatalf("export: exit %d: %s", code, said)
	}
	verdict, complaints, code := run(h.T, h.bin, "ledger", "verify", "--key", strings.TrimSpace(key), file)
	if code != 0 || !strings.Contains(verdict, "the ledger is whole") {
		h.Errorf("verify: exit %d: %s%s", code, verdict, complaints)
	}
	h.Logf("%s", verdict)
}

// order posts n new tasks and repeats those whose answer is missing, each with
// a key, as a CRM does whose controller dies.
func (h *house) order(orders map[string]string, n int) {
	for range n {
		orders[fmt.Sprintf("order-%03d", len(orders))] = ""
	}
	for key, id := range orders {
		if id != "" {
			continue
		}
		customer := "c" + key[len("order-"):]
		if h.ask("POST", "/api/v1/contacts", `{"customer_id":"`+customer+`","phone":"lab:`+customer+`","language":"cmn","variables":{"discount":8,"ends":"2036-01-01"}}`, nil) == 0 {
			return
		}
		var s taskSeen
		if h.ask("POST", "/api/v1/call/task", `{"customer_id":"`+customer+`","script_id":"promotion_001"}`, &s, "Idempotency-Key: "+key) == 0 {
			return
		}
		orders[key] = s.ID
	}
}

// tasks are all tasks, page by page.
func (h *house) tasks() (all []taskSeen) {
	h.Helper()
	for after := ""; ; after = all[len(all)-1].ID {
		var page struct{ Tasks []taskSeen }
		if h.ask("GET", "/api/v1/call/task?limit=500&after="+after, "", &page) != 200 {
			return nil
		}
		all = append(all, page.Tasks...)
		if len(page.Tasks) < 500 {
			return all
		}
	}
}

// judge compares what the exchanges saw with what is on record. It returns how
// many attempts ended because their controller died.
func (h *house) judge(orders map[string]string) (died int) {
	h.Helper()
	rings := map[string]int{} // by attempt
	for _, c := range h.rings() {
		rings[c.ID]++
	}
	for id, n := range rings {
		if n > 1 {
			h.Errorf("attempt %s rang %d times", id, n)
		}
	}
	known := map[string]bool{}
	tasks, ends := map[string]bool{}, map[string]int{}
	for key, id := range orders {
		if tasks[id] {
			h.Errorf("%s: two orders became one task", key)
		}
		tasks[id] = true
		var list struct{ Attempts []attemptSeen }
		h.ask("GET", "/api/v1/call/task/"+id+"/attempts", "", &list)
		tries := map[int]int{} // rings by try
		for _, a := range list.Attempts {
			known[a.ID] = true
			ends[a.State+" "+a.Disposition+" "+a.Reason]++
			tries[a.Try] += rings[a.ID]
			switch a.State {
			case "finished":
				if a.Disposition == "" {
					h.Errorf("%s: attempt %s ended without a disposition", key, a.ID)
				}
				if a.Reason == "controller_died" {
					died++
				}
			case "postponed": // never placed, or proven not sent
				if rings[a.ID] != 0 {
					h.Errorf("%s: attempt %s rang and was given back as not placed (%s)", key, a.ID, a.Reason)
				}
			default:
				h.Errorf("%s: attempt %s is still %s", key, a.ID, a.State)
			}
		}
		for try, n := range tries {
			if n > 1 {
				h.Errorf("%s: try %d rang %d times: %+v", key, try, n, list.Attempts)
			}
		}
		if len(list.Attempts) == 0 {
			h.Errorf("%s: no attempt was made", key)
		}
	}
	for id := range rings {
		if !known[id] {
			h.Errorf("the exchange rang for %s, which is on no record", id)
		}
	}
	if n := len(h.tasks()); n != len(orders) {
		h.Errorf("%d tasks for %d orders", n, len(orders))
	}
	h.Logf("%d tasks, %d attempts, %d rings, %d ended by a dead controller; %v", len(orders), len(known), len(rings), died, ends)
	return died
}
