package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// village are callees of each kind, whose calls are over soon.
func village() twin.Cast {
	ms := time.Millisecond
	return twin.Cast{Rules: []twin.Rule{{Number: "*", Jitter: 100 * ms, Mix: []twin.Share{
		{Weight: 6, Script: callee.Script{Ring: 100 * ms, Steps: []callee.Step{{Wait: 300 * ms}, {Hangup: true}}}},
		{Weight: 3, Script: callee.Script{Trying: 100 * ms, Ring: 200 * ms, Reject: 486}},
		{Weight: 2, Script: callee.Script{Ring: 200 * ms, Reject: 603}},
		{Weight: 2, Script: callee.Script{Silent: true, Reject: 404}},
		{Weight: 1, Script: callee.Script{Silent: true, Reject: 480, Reason: 20}},
		{Weight: 2, Script: callee.Script{Never: true}},
	}}}}
}

// villageEnd is what the controller must have written, by what the callee's
// exchange saw. Why a callee was refused with 480 is told by FreeSWITCH alone:
// Asterisk ignores a Reason header (cause 20, absent) on a refusal.
func villageEnd(pbx, outcome string) string {
	if pbx == "second" && outcome == "failed_480" {
		return "unreachable"
	}
	return villageEnds[outcome]
}

var villageEnds = map[string]string{
	"answered_callee_hung_up": "hung_up", "failed_486": "busy", "failed_603": "rejected", "failed_404": "invalid_number", "failed_480": "no_answer",
	"no_answer": "no_answer",
}

// The twins carry the calls of the real controller at the wire of ARI and of
// ESL: what each callee knows of its call is what the record says of it, and no
// channel is left. 200 calls always; 10,000 with RINGMASTER_PROVE=1.
func TestRow_M5_ACalleesOwnRecordIsTheCDRs(t *testing.T) {
	people := 200
	if os.Getenv("RINGMASTER_PROVE") != "" {
		people = 10000
	}
	h := setting{tag: "", cast: village(), both: true, concurrency: 60, ring: 5 * time.Second}.house(t)
	if !h.start() {
		t.Fatal("the controller did not start")
	}
	orders := map[string]string{}
	for range people {
		h.order(orders, 1)
	}
	h.order(orders, 0)
	h.until(20*time.Minute, "every task is final", func() bool {
		all := h.tasks()
		for _, s := range all {
			if !s.final() {
				return false
			}
		}
		return len(all) == people
	})
	h.until(20*time.Second, "no channel is left on either exchange", func() bool { return h.twin.Stats().Live == 0 && h.second.Stats().Live == 0 })
	records := map[string]attemptSeen{}
	for key, id := range orders {
		var list struct{ Attempts []attemptSeen }
		h.ask("GET", "/api/v1/call/task/"+id+"/attempts", "", &list)
		if len(list.Attempts) != 1 {
			t.Errorf("%s: %d attempts, want one: %+v", key, len(list.Attempts), list.Attempts)
		}
		for _, a := range list.Attempts {
			records[a.ID] = a
		}
	}
	ends := map[string]int{}
	for pbx, calls := range map[string][]twin.Call{"twin": h.twin.Calls(""), "second": h.second.Calls("")} {
		if len(calls) < people/5 {
			t.Errorf("%d calls over %s: it had no share", len(calls), pbx)
		}
		for _, c := range calls {
			a, ok := records[c.ID]
			delete(records, c.ID)
			ends[pbx+" "+c.Outcome+" "+a.Disposition]++
			if !ok || a.PBX != pbx || a.Disposition != villageEnd(pbx, c.Outcome) || (a.AnsweredAt != "") == c.Answered.IsZero() {
				t.Errorf("%s: callee %s says %s, answered %v; the record says %+v", pbx, c.Number, c.Outcome, c.Answered, a)
			}
		}
	}
	for id, a := range records {
		t.Errorf("attempt %s is on record and no callee knows of it: %+v", id, a)
	}
	t.Logf("%d calls: %v", people, ends)
	h.stop()
}

// One contract suite stands on every exchange that there is: in memory, on both
// twins, on a real Asterisk, and on the real FreeSWITCH that
// RINGMASTER_TEST_ESL names.
func TestRow_M5_OneContractOnEveryExchange(t *testing.T) {
	for _, s := range []struct{ dir, test string }{
		{"internal/pbx/pbxtest", "TestSimContract"},
		{"internal/lab/twin", "TestContract"},
		{"internal/lab/fstwin", "TestContract"},
		{"adapter/asterisk", "TestRealContract"},
		{"adapter/freeswitch", "TestRealContract"},
	} {
		t.Run(s.dir, func(t *testing.T) {
			if body := testBody(t, filepath.Join("..", "..", filepath.FromSlash(s.dir)), s.test); !runsContract(body) {
				t.Errorf("%s of %s does not run the suite", s.test, s.dir)
			}
		})
	}
}

// testBody is the body of a test that every build of its folder has.
func testBody(t *testing.T, dir, name string) *ast.BlockStmt {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if ok, err := build.Default.MatchFile(dir, filepath.Base(file)); err != nil || !ok {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return f.Body
			}
		}
	}
	t.Fatalf("%s has no %s", dir, name)
	return nil
}

// runsContract: pbxtest.Run is called, or Run within pbxtest, with no Skip and
// no branch around it.
func runsContract(body *ast.BlockStmt) (runs bool) {
	for _, s := range body.List {
		if e, ok := s.(*ast.ExprStmt); ok {
			if c, ok := e.X.(*ast.CallExpr); ok {
				name := fmt.Sprint(c.Fun)
				if x, ok := c.Fun.(*ast.SelectorExpr); ok {
					name = fmt.Sprint(x.X) + "." + x.Sel.Name
				}
				if strings.Contains(name, "Skip") {
					return false
				}
				runs = runs || name == "Run" || name == "pbxtest.Run"
			}
		}
	}
	return runs
}
