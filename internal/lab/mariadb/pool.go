package mariadb

import (
	"context"
	"strconv"
	"sync"
	"time"

	"ringmaster/internal/lab/env"
)

// Pool starts at most one server of each flavor, when a test first asks for it. The zero value is ready; see the package comment.
type Pool struct {
	mu      sync.Mutex
	servers map[Flavor]*Server
	count   int // of databases, for their names
}

// TB is what a Pool needs of a test: *testing.T, *testing.B and *testing.F have it.
type TB interface {
	env.TB
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Server returns the shared server. The test fails or is skipped, by the rule of package env, where it is not installed.
func (p *Pool) Server(t TB, f Flavor) *Server {
	t.Helper()
	env.Need(t, env.Part(f))
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.servers[f]; s != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Start(ctx, Options{Flavor: f})
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	if p.servers == nil {
		p.servers = map[Flavor]*Server{}
	}
	p.servers[f] = s
	return s
}

// Database returns the DSN of a new, empty database on the shared server; it is dropped when the test ends.
func (p *Pool) Database(t TB, f Flavor) (dsn string) {
	t.Helper()
	s := p.Server(t, f)
	p.mu.Lock()
	p.count++
	name := "test_" + strconv.Itoa(p.count)
	p.mu.Unlock()
	if err := s.CreateDatabase(context.Background(), name); err != nil {
		t.Fatalf("%v", err)
		return ""
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.DropDatabase(ctx, name); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return s.DSN(name)
}

// Stop stops every server of the pool.
func (p *Pool) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f, s := range p.servers {
		_ = s.Stop(context.Background()) // what cannot be deleted now is deleted by the next owner of the slot
		delete(p.servers, f)
	}
}

// Runner is what a test main runs: *testing.M.
type Runner interface{ Run() int }

// Around returns a runner that stops the servers after the tests of m.
func (p *Pool) Around(m Runner) Runner { return around{m, p} }

type around struct {
	Runner
	pool *Pool
}

func (a around) Run() int {
	defer a.pool.Stop()
	return a.Runner.Run()
}
