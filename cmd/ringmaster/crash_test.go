package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/mariadb"
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
	// Degraded has "controller" when a later life went on with the call.
	Degraded []string `json:"degraded"`
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

// crowdThatTalks has callees with whom a conversation is under way when its
// controller dies, beside the others.
func crowdThatTalks() twin.Cast {
	c := crowd()
	c.Rules[0].Mix = append(c.Rules[0].Mix, twin.Share{Weight: 3, Script: callee.Script{Ring: 150 * time.Millisecond, Steps: []callee.Step{{Wait: 5 * time.Second}, {Hangup: true}}}})
	return c
}

// killSteps are the persisted steps of an attempt at which a failpoint kills.
var killSteps = []string{"claimed", "before_place", "placed", "sealed", "ended", "finished", "adopting", "adopted"}

// Killed with -9 again and again, at chosen steps and at random moments, the
// controller rings nobody twice for one attempt, loses no attempt and leaves
// no channel behind. 30 kills of one controller always (RINGMASTER_KILLS says
// otherwise); with RINGMASTER_PROVE 1,000 of two controllers side by side over
// both exchanges, while their MariaDB is killed too.
func TestRow_M3_KilledAtAnyMomentNobodyIsRungTwiceAndNothingIsLost(t *testing.T) {
	kills, prove := 30, os.Getenv("RINGMASTER_PROVE") != ""
	if prove {
		kills = 1000
	}
	if n, err := strconv.Atoi(os.Getenv("RINGMASTER_KILLS")); err == nil {
		kills = n
	}
	set := setting{tag: "failpoint", cast: crowd()}
	var db *mariadb.Server
	if prove {
		env.Need(t, env.MariaDB)
		var err error
		if db, err = mariadb.Start(t.Context(), mariadb.Options{}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Stop(context.Background()) }()
		if err := db.CreateDatabase(t.Context(), "crash"); err != nil {
			t.Fatal(err)
		}
		set = setting{tag: "failpoint", cast: crowdThatTalks(), both: true, database: fmt.Sprintf("dialect: mysql, dsn: %q", db.DSN("crash"))}
	}
	h := set.house(t)
	h.shaky = prove
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	begun := time.Now()
	lists := []map[string]string{{}} // key -> task, by controller
	if prove {
		lists = append(lists, map[string]string{})
		killBoth(t, h, db, lists, kills, seed)
	} else {
		h.killAgainAndAgain(lists[0], kills, seed)
	}
	orders := map[string]string{}
	for _, l := range lists {
		maps.Copy(orders, l)
	}
	t.Logf("%d lives in %s, %d orders, %d rings", h.lives, time.Since(begun).Round(time.Millisecond), len(orders), len(h.rings()))

	// One life that is left alone ends everything.
	if !h.start() {
		t.Fatal("the last life did not start")
	}
	h.order(orders, 0)
	h.until(3*time.Minute, "every task is final", func() bool {
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
	h.until(10*time.Second, "no channel is left on the exchange", func() bool {
		return h.twin.Stats().Live == 0 && (h.second == nil || h.second.Stats().Live == 0)
	})
	if died := h.judge(orders); died == 0 {
		t.Error("no kill met a call: the test proves nothing")
	}
	h.tally(kills)
	h.stop()
	h.audit()
}

// killBoth lets two controllers be killed side by side, and their database every
// 40 s.
func killBoth(t *testing.T, h *house, db *mariadb.Server, lists []map[string]string, kills int, seed uint64) {
	t.Helper()
	var wg, restarts sync.WaitGroup
	for i, one := range []*house{h, h.beside(t)} {
		wg.Go(func() { one.killAgainAndAgain(lists[i], kills/2, seed+uint64(i)) })
	}
	over := make(chan struct{})
	n := 0
	restarts.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(40 * time.Second):
			}
			db.Kill()
			time.Sleep(300 * time.Millisecond)
			if err := db.Restart(t.Context()); err != nil {
				t.Errorf("MariaDB did not come back: %v", err)
				return
			}
			n++
		}
	})
	wg.Wait()
	close(over)
	restarts.Wait()
	t.Logf("MariaDB was killed %d times", n)
}

// killAgainAndAgain kills a controller at chosen steps (each third time) and at
// random moments, while three calls are ordered of each of its lives.
func (h *house) killAgainAndAgain(orders map[string]string, kills int, seed uint64) {
	luck := rand.New(rand.NewPCG(seed, 1))
	name := strings.TrimSuffix(filepath.Base(h.config), ".yaml")
	for k := range kills {
		environ := "RINGMASTER_FAILPOINT="
		if k%3 == 0 {
			step := killSteps[(k/3)%len(killSteps)]
			environ += step + ":" + filepath.Join(h.dir, fmt.Sprintf("once-%s-%s-%d", step, name, k))
		}
		if h.start(environ) {
			h.orderAs(orders, 3, name)
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
		if st, err := os.Stat(h.log); err == nil && st.Size() > 1<<20 && os.Getenv("KEEPLOG") == "" { // it is read over and over
			h.must(os.Truncate(h.log, 0))
		}
	}
}

// tally prints how many kills met each step, and wants five of each of a
// thousand.
func (h *house) tally(kills int) {
	h.Helper()
	met := map[string]int{}
	all, err := filepath.Glob(filepath.Join(h.dir, "once-*"))
	h.must(err)
	for _, f := range all {
		step, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(f), "once-"), "-")
		met[step]++
	}
	table := fmt.Sprintf("%-14s kills\n", "step")
	for _, s := range killSteps {
		table += fmt.Sprintf("%-14s %d\n", s, met[s])
		if met[s] < 5 && kills >= 1000 {
			h.Errorf("%d kills at %s, wanted are 5", met[s], s)
		}
	}
	h.Logf("%s%-14s %d", table, "at random", kills-len(all))
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
func (h *house) order(orders map[string]string, n int) { h.orderAs(orders, n, "order") }

// orderAs keeps the orders of several controllers apart.
func (h *house) orderAs(orders map[string]string, n int, name string) {
	for range n {
		orders[fmt.Sprintf("%s-%03d", name, len(orders))] = ""
	}
	for key, id := range orders {
		if id != "" {
			continue
		}
		customer := "c" + strings.ReplaceAll(strings.TrimPrefix(key, "order"), "-", "")
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
	tasks, ends, resumed := map[string]bool{}, map[string]int{}, 0
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
				switch {
				case a.Reason == "controller_died":
					died++
				case slices.Contains(a.Degraded, "controller"):
					resumed++
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
	h.Logf("%d tasks, %d attempts, %d rings, %d ended by a dead controller, %d went on after it; %v", len(orders), len(known), len(rings), died, resumed, ends)
	return died
}
