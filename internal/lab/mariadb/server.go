package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"ringmaster/internal/lab/child"
	"ringmaster/internal/lab/env"
)

// Flavor says whose server it is.
type Flavor string

// The flavors.
const (
	MariaDB Flavor = "mariadb"
	MySQL   Flavor = "mysql" // optional: env.Need skips by name where setup could not install it
)

// slots bounds how many servers of one flavor run at once on this machine; their ports, one a slot, lie below those that Linux
// hands out for port 0.
const slots = 40

// ErrName means that a database name is not of the form that needs no quoting anywhere.
var ErrName = errors.New("a database name here is made of a-z, 0-9 and _, at most 60 of them")

var nameForm = regexp.MustCompile(`^[a-z0-9_]{1,60}$`)

// Options of a server. The zero value is a MariaDB with nothing special.
type Options struct {
	Flavor Flavor
	Args   []string // further options of the server, such as --innodb-lock-wait-timeout=1
}

// Server is a private database server. Its methods may be called from any goroutine.
type Server struct {
	o    Options
	run  child.Config
	slot *child.Slot
	port int
	log  string

	mu   sync.Mutex // held while the process is started or ended
	proc *child.Process
}

// Start starts a server and returns when it answers. ctx bounds the start only; the caller has to Stop it. An error wraps
// env.ErrMissing where the server is not installed.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Flavor == "" {
		o.Flavor = MariaDB
	}
	s := &Server{o: o}
	err := errors.New("no such flavor")
	switch o.Flavor {
	case MariaDB:
		err = s.prepareMariaDB()
	case MySQL:
		err = s.prepareMySQL()
	}
	if err != nil {
		return nil, fmt.Errorf("private %s: %w", o.Flavor, err)
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("private %s: %w", o.Flavor, err), s.slot.Release())
	}
	return s, nil
}

func (s *Server) prepareMariaDB() error {
	program, err := env.Find(env.MariaDB)
	if err != nil {
		return err
	}
	base, err := env.Local("mariadb", "run")
	if err != nil {
		return err
	}
	template, err := env.Local("mariadb", "template")
	if err != nil {
		return err
	}
	if err := s.take(base, 17000, template); err != nil {
		return err
	}
	s.run = child.Config{Path: program, Log: s.log, Args: append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(s.slot.Dir, "data"), "--innodb-log-file-size=8M",
		// Safe against a killed process, which is what we test: what was written is with the kernel. A power cut is not.
		"--innodb-flush-method=nosync", "--debug-no-sync", "--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=2",
	}, s.common()...)}
	if os.Geteuid() == 0 {
		s.run.Args = append(s.run.Args, "--user=root")
	}
	s.run.Args = append(s.run.Args, s.o.Args...)
	return nil
}

func (s *Server) prepareMySQL() error {
	root, err := env.Find(env.MySQL)
	if err != nil {
		return err
	}
	const home = "/srv/ringmaster"
	if err := s.take(filepath.Join(root, home), 17100, filepath.Join(root, home, "template")); err != nil {
		return err
	}
	s.run = child.Config{Path: "/usr/sbin/mysqld", Root: root, Log: s.log, Args: append([]string{
		"--no-defaults", "--datadir=" + home + "/" + filepath.Base(s.slot.Dir) + "/data", "--user=root", "--mysqlx=OFF", "--secure-file-priv=NULL",
		"--skip-log-bin", "--performance-schema=OFF", "--innodb-redo-log-capacity=8M",
		"--innodb-flush-method=nosync", "--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=2",
	}, s.common()...)}
	s.run.Args = append(s.run.Args, s.o.Args...)
	return nil
}

// common are the options that both know. Paths are relative to the data folder: a socket's path may have 107 bytes at most.
func (s *Server) common() []string {
	return []string{
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--socket=server.sock", "--pid-file=server.pid",
		"--skip-name-resolve", "--innodb-buffer-pool-size=64M", "--max-connections=500",
	}
}

// take gets a slot with its port and copies the template into it.
func (s *Server) take(base string, firstPort int, template string) error {
	slot, err := child.TakeSlot(base, slots, func(n int) error {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+n)))
		if err != nil {
			return fmt.Errorf("port in use: %w", err)
		}
		return l.Close()
	})
	if err != nil {
		return err
	}
	s.slot, s.port, s.log = slot, firstPort+slot.Number, filepath.Join(slot.Dir, "log")
	data := filepath.Join(slot.Dir, "data")
	if err := os.CopyFS(data, os.DirFS(template)); err != nil {
		return errors.Join(fmt.Errorf("copy the empty database: %w", err), slot.Release())
	}
	// MySQL generates its UUID anew; two servers must not share one.
	if err := os.Remove(filepath.Join(data, "auto.cnf")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, slot.Release())
	}
	return nil
}

func (s *Server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && s.proc.Running() {
		return fmt.Errorf("it runs already as process %d", s.proc.PID())
	}
	p, err := child.Start(s.run)
	if err != nil {
		return err
	}
	s.proc = p
	if err := s.slot.Adopt(p); err != nil {
		p.Kill()
		return err
	}
	db, err := open(s.DSN(""))
	if err != nil {
		p.Kill()
		return err
	}
	defer func() { _ = db.Close() }()
	if err := p.Ready(ctx, s.log, db.PingContext); err != nil {
		p.Kill()
		return err
	}
	return nil
}

// open is sql.Open without the driver's own complaints: while a server starts, refused connections are expected.
func open(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Logger = quiet{}
	c.Timeout = time.Second
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

type quiet struct{}

func (quiet) Print(...any) {}

// DSN is the data source name of a database for the Go driver (user root, no password, UTC times parsed); db may be empty.
func (s *Server) DSN(db string) string {
	return "root@tcp(" + s.Addr() + ")/" + db + "?charset=utf8mb4&loc=UTC&parseTime=true"
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Flavor says whose server it is.
func (s *Server) Flavor() Flavor { return s.o.Flavor }

// CreateDatabase makes an empty database with character set utf8mb4, and fails if it exists.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "CREATE DATABASE %s CHARACTER SET utf8mb4", name)
}

// DropDatabase removes a database and everything in it.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE %s", name)
}

func (s *Server) exec(ctx context.Context, statement, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	db, err := open(s.DSN(""))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(statement, "`"+name+"`"))
	return errors.Join(err, db.Close())
}

// Kill ends the server as a crash would (SIGKILL). Port and data stay: Restart starts it again, Stop gives them up.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc.Kill()
}

// Restart ends the server if it runs and starts it again on the same port and data.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	if s.slot == nil {
		s.mu.Unlock()
		return errors.New("the server was stopped for good: use Start")
	}
	err := s.proc.Stop(ctx, 20*time.Second)
	s.mu.Unlock()
	return errors.Join(err, s.start(ctx))
}

// Stop ends the server and deletes its data. It can be called again.
func (s *Server) Stop(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slot == nil {
		return nil
	}
	s.proc.Kill() // nobody will read the data, so there is nothing to write back in good order
	err := s.slot.Release()
	s.slot = nil
	return err
}

// PID is the process number of the server that was started last.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.PID()
}

// Log returns the last 64 KiB of what the server said.
func (s *Server) Log() string { return child.Tail(s.log, 64<<10) }
