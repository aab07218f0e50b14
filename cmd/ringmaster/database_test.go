package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"ringmaster/internal/lab/dbproxy"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/mariadb"
)

// A whole controller behind a database that fails in every way while it
// dials: deadlocks (1213), lock wait time-outs (1205), commits whose answer is
// lost or that never arrive, a network that stands still, connections that are
// cut, a server that is killed and comes back. Nobody rings twice for a try,
// every contact ends with a disposition, the ledger is whole. With
// RINGMASTER_PROVE=1: 400 people, 3 stalls of 10 s, 3 kills.
func TestADatabaseThatFailsWhileItDials(t *testing.T) {
	if os.Getenv("RINGMASTER_PROVE") == "" {
		t.Log("with RINGMASTER_PROVE=1; always: the store's contract under the same faults (adapter/store, TestContractWithLostCommits)")
		return
	}
	databaseFaults(t, 400, 3)
}

// over gives a house another database than its file.
func (h *house) over(database string) {
	h.Helper()
	text, err := os.ReadFile(h.config)
	h.must(err)
	file := "dialect: sqlite, dsn: " + h.dir + "/ringmaster.db"
	if strings.Count(string(text), file) != 1 {
		h.Fatal("the configuration has another form than this test knows")
	}
	h.must(os.WriteFile(h.config, []byte(strings.Replace(string(text), file, database, 1)), 0o600))
	out, complaints, code := run(h.T, h.bin, "key", "create", "--config", h.config, "--scope", "*")
	if code != 0 {
		h.Fatalf("key create: %s", complaints)
	}
	h.key = strings.TrimSpace(out)
}

func databaseFaults(t *testing.T, people, rounds int) {
	t.Helper()
	env.Need(t, env.MariaDB)
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Stop(context.Background()) }()
	if err := db.CreateDatabase(t.Context(), "faults"); err != nil {
		t.Fatal(err)
	}
	dsn, err := mysql.ParseDSN(db.DSN("faults"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := dbproxy.New(dsn.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dsn.Addr = p.Addr()
	h := newHouse(t, "failpoint", crowd(), "")
	h.over(fmt.Sprintf("dialect: mysql, dsn: %q", dsn.FormatDSN()))
	if !h.start() {
		t.Fatal("the controller did not start")
	}
	var mu sync.Mutex
	met := map[dbproxy.Fate]int{}
	p.Decide(func(n int64) dbproxy.Fate {
		f := map[int64]dbproxy.Fate{3: dbproxy.Deadlock, 7: dbproxy.CutAfter, 11: dbproxy.LockTimeout, 17: dbproxy.CutBefore}[n%20]
		mu.Lock()
		defer mu.Unlock()
		met[f]++
		return f
	})
	orders := map[string]string{}
	for range people / 10 {
		h.order(orders, 10)
	}
	for k := range rounds {
		rung := h.twin.Stats().Rings + 10
		h.until(2*time.Minute, "some more rings", func() bool { return h.twin.Stats().Rings >= rung || h.twin.Stats().Rings >= int64(people)*9/10 })
		p.Stall()
		time.Sleep(10 * time.Second)
		p.Resume()
		h.order(orders, people/10) // they end while it is away
		rung = h.twin.Stats().Rings + 10
		h.until(2*time.Minute, "some more rings", func() bool { return h.twin.Stats().Rings >= rung })
		db.Kill()
		time.Sleep(time.Duration(k+1) * 300 * time.Millisecond)
		if err := db.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Cut()
	}
	h.until(5*time.Minute, "every order is taken and every task is final", func() bool {
		h.order(orders, 0)
		all := h.tasks()
		for _, s := range all {
			if !s.final() {
				return false
			}
		}
		return len(all) == len(orders)
	})
	h.until(10*time.Second, "no channel is left on the exchange", func() bool { return h.twin.Stats().Live == 0 })
	p.Decide(func(int64) dbproxy.Fate { return dbproxy.Pass }) // the judge reads, and does not fail
	h.judge(orders)
	mu.Lock()
	t.Logf("%d people, %d rings, %d COMMITs: %d deadlocks, %d lock time-outs, %d answers lost, %d never arrived, %d stalls of 10 s, %d kills of the server", len(orders), h.twin.Stats().Rings, p.Commits(),
		met[dbproxy.Deadlock], met[dbproxy.LockTimeout], met[dbproxy.CutAfter], met[dbproxy.CutBefore], rounds, rounds)
	if met[dbproxy.Deadlock] < 3 || met[dbproxy.CutAfter] < 3 || met[dbproxy.LockTimeout] < 3 || met[dbproxy.CutBefore] < 3 {
		t.Error("too few faults: the test proves nothing")
	}
	mu.Unlock()
	h.stop()
	h.audit()
}
