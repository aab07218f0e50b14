package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"ringmaster/adapter/store"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/mariadb"
)

// The aims of claiming.
const (
	aimSingle  = 1000
	aimBatched = 10_000
	aimRatio   = 0.9
)

// Claims measures how many ready calls a second are claimed from a small and
// from a large stock.
type Claims struct {
	// DSN is user:password@tcp(host:port)/ of a MariaDB or MySQL on which two
	// databases may be created and dropped; empty = the laboratory's MariaDB.
	DSN          string
	Small, Large int // ready calls; 0 = 20,000 and 1,000,000
	Rounds       int // each measurement is the median of so many; 0 = 5
	Each         time.Duration
	Out          io.Writer
}

// server options of the laboratory's MariaDB: what a server of this size has
// by MariaDB's own defaults and advice, where the laboratory saves memory.
func serverOptions() []string {
	return []string{"--innodb-buffer-pool-size=2G", "--innodb-log-file-size=256M", "--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON"}
}

// Run measures and prints.
func (c Claims) Run(ctx context.Context) error {
	c.Small, c.Large = orDefault(c.Small, 20_000), orDefault(c.Large, 1_000_000)
	c.Rounds, c.Each = orDefault(c.Rounds, 5), orDefault(c.Each, 2*time.Second)
	heading(ctx, c.Out, "Claims per second")
	dsn, what, pid, stop, err := c.server(ctx)
	if err != nil {
		return err
	}
	defer stop()
	_, _ = fmt.Fprintf(c.Out, "server   %s\n\n", what)
	var stocks []*stock
	defer func() {
		for _, s := range stocks {
			s.close()
		}
	}()
	for _, n := range []int{c.Small, c.Large} {
		s, err := newStock(ctx, dsn, n)
		if s != nil {
			stocks = append(stocks, s)
		}
		if err == nil {
			s.server = pid
			err = s.fill(ctx, n, c.Out)
		}
		if err != nil {
			return err
		}
	}
	ways := ways()
	got := make([][][]result, len(stocks)) // by stock and way
	for i := range got {
		got[i] = make([][]result, len(ways))
	}
	// Small and large in turn: what else happens on the machine meets both.
	for range c.Rounds {
		for k, w := range ways {
			for i, s := range stocks {
				r, err := s.measure(ctx, w, c.Each)
				if err != nil {
					return fmt.Errorf("%s of %d: %w", w.name, s.ready, err)
				}
				got[i][k] = append(got[i][k], r)
			}
		}
	}
	c.print(stocks, ways, got)
	return nil
}

func (c Claims) server(ctx context.Context) (dsn, what string, pid int, stop func(), err error) {
	stop = func() {}
	if dsn = c.DSN; dsn == "" {
		srv, err := mariadb.Start(ctx, mariadb.Options{Args: serverOptions()})
		if errors.Is(err, env.ErrMissing) {
			return "", "", 0, nil, fmt.Errorf("%w\ngive --dsn 'user:password@tcp(host:3306)/' of a server on which databases may be created and dropped, or let setup/all.sh install the laboratory's MariaDB", err)
		} else if err != nil {
			return "", "", 0, nil, err
		}
		dsn, pid, stop = srv.DSN(""), srv.PID(), func() { _ = srv.Stop(context.Background()) }
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		stop()
		return "", "", 0, nil, errors.New("--dsn must read user:password@tcp(host:port)/") // err may quote it
	}
	defer func() { _ = db.Close() }()
	var version, pool, flush, own string
	err = db.QueryRowContext(ctx, "SELECT VERSION(), @@innodb_buffer_pool_size DIV 1048576, @@innodb_flush_log_at_trx_commit").Scan(&version, &pool, &flush)
	if err != nil {
		stop()
		return "", "", 0, nil, fmt.Errorf("the database does not answer: %w", err)
	}
	if c.DSN == "" {
		own = ", on this machine beside the measurement"
	}
	return dsn, fmt.Sprintf("%s, buffer pool %s MiB, innodb_flush_log_at_trx_commit=%s%s", version, pool, flush, own), pid, stop, nil
}

// way is one way to claim.
type way struct {
	name    string
	workers int
	batch   int
	claim   func(s *stock, ctx context.Context, worker, n int) (int, error)
}

func ways() []way {
	return []way{
		{name: "Ringmaster, one by one", workers: 1, batch: 1, claim: (*stock).ours},
		{name: "Ringmaster, one by one", workers: 8, batch: 1, claim: (*stock).ours},
		{name: "Ringmaster, by hundreds", workers: 1, batch: 100, claim: (*stock).ours},
		{name: "Ringmaster, by hundreds", workers: 4, batch: 100, claim: (*stock).ours},
		{name: "Ringmaster, by thousands", workers: 1, batch: 1000, claim: (*stock).ours},
		{name: "Ringmaster, by thousands", workers: 2, batch: 1000, claim: (*stock).ours},
		{name: "home-grown: SELECT ... ORDER BY priority, due FOR UPDATE SKIP LOCKED", workers: 8, batch: 1, claim: (*stock).naive},
		{name: "hopper: UPDATE ... SET status='QUEUE' ORDER BY priority LIMIT 1, then SELECT", workers: 8, batch: 1, claim: (*stock).hopper},
	}
}

// result is one measurement.
type result struct {
	perSecond float64
	cpu       time.Duration // of this process, for each claim
	server    time.Duration // of the server's; 0 = not known
}

func rates(rs []result) []float64 {
	out := make([]float64, len(rs))
	for i, r := range rs {
		out[i] = r.perSecond
	}
	return out
}

// work is the processor time of a claim, ours and the server's.
func work(rs []result) (own, server time.Duration) {
	var a, b []time.Duration
	for _, r := range rs {
		a, b = append(a, r.cpu), append(b, r.server)
	}
	return median(a), median(b)
}

// measure claims for some time and gives everything back.
func (s *stock) measure(ctx context.Context, w way, each time.Duration) (result, error) {
	var taken atomic.Int64
	errs := make([]error, w.workers)
	began, used, theirs := time.Now(), cpuTime(), cpuOf(s.server)
	limit := int64(s.ready) * 8 / 10
	var wg sync.WaitGroup
	for i := range w.workers {
		wg.Go(func() {
			for time.Since(began) < each && taken.Load() < limit && ctx.Err() == nil {
				n, err := w.claim(s, ctx, i, w.batch)
				if again(err) { // it costs its time; the next turn tries again
					continue
				}
				if errs[i] = err; err != nil || n == 0 {
					return
				}
				taken.Add(int64(n))
			}
		})
	}
	wg.Wait()
	took, used, theirs := time.Since(began), cpuTime()-used, cpuOf(s.server)-theirs
	r := result{perSecond: float64(taken.Load()) / took.Seconds()}
	if n := taken.Load(); n > 0 {
		r.cpu, r.server = used/time.Duration(n), theirs/time.Duration(n)
	}
	return r, errors.Join(errors.Join(errs...), ctx.Err(), s.restore(ctx))
}

// ours is the product's own claim: fenced, in order, the attempt is born.
func (s *stock) ours(ctx context.Context, worker, n int) (int, error) {
	as, err := s.store.Claim(ctx, "default", n, campaign.Fence{Owner: s.owner(worker), Epoch: s.epochs[worker]})
	return len(as), err
}

// naive is what is written when no thought is given to indexes: the same rows
// with the index that everyone makes first, on state and time.
func (s *stock) naive(ctx context.Context, _, n int) (int, error) {
	return s.take(ctx, "SELECT id FROM homegrown WHERE state = 'ready' AND due_at <= UTC_TIMESTAMP(6) ORDER BY priority DESC, due_at LIMIT "+strconv.Itoa(n)+" FOR UPDATE SKIP LOCKED",
		"UPDATE homegrown SET state = 'claimed' WHERE id = ?")
}

func (s *stock) take(ctx context.Context, pick, mark string) (n int, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(ctx, pick)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, mark, id); err != nil {
			return 0, err
		}
	}
	return len(ids), tx.Commit()
}

// hopper takes the next lead as dialers with a hopper table do: one UPDATE
// with an order and a limit, then the row by its mark.
func (s *stock) hopper(ctx context.Context, worker, _ int) (int, error) {
	mark := s.marks[worker].Add(1)
	res, err := s.db.ExecContext(ctx, "UPDATE hopper SET status = 'QUEUE', taken_by = ?, mark = ? WHERE status = 'READY' ORDER BY priority DESC, id LIMIT 1", worker, mark)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	var id int64
	return 1, s.db.QueryRowContext(ctx, "SELECT id FROM hopper WHERE taken_by = ? AND mark = ?", worker, mark).Scan(&id)
}

// again reports a deadlock or a lock wait that timed out.
func again(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205)
}

func (c Claims) print(stocks []*stock, ways []way, got [][][]result) {
	small, large := got[0], got[1]
	rows := [][]string{{"", "workers", "a claim takes", fmt.Sprintf("claims/s of %d", stocks[0].ready), fmt.Sprintf("of %d", stocks[1].ready), "ratio", "processor time a claim, ours", "the server's", fmt.Sprintf("of %d", stocks[1].ready), "ratio by processor time"}}
	type best struct{ rate, ratio float64 }
	var single, batched best
	for k, w := range ways {
		a, b := median(rates(small[k])), median(rates(large[k]))
		ratio := b / max(a, 1e-9)
		own, server := work(large[k])
		ownSmall, serverSmall := work(small[k])
		effort := "not known"
		if server > 0 {
			effort = fmt.Sprintf("%.2f", float64(ownSmall+serverSmall)/float64(own+server))
		}
		rows = append(rows, []string{w.name, strconv.Itoa(w.workers), strconv.Itoa(w.batch), fmt.Sprintf("%.0f", a), fmt.Sprintf("%.0f", b), fmt.Sprintf("%.2f", ratio), own.Round(time.Microsecond).String(), serverSmall.Round(time.Microsecond).String(), server.Round(time.Microsecond).String(), effort})
		if k < 2 && b > single.rate {
			single = best{b, ratio}
		} else if k >= 2 && k < 6 && b > batched.rate {
			batched = best{b, ratio}
		}
	}
	table(c.Out, rows)
	_, _ = fmt.Fprintf(c.Out, "\nEach figure is the median of %d runs, small and large in turn. A claim of Ringmaster is one transaction: lease and stop buttons asked,\n"+
		"calls locked in the order of priority and time, attempts written, people and numbers read and opened. The two others only take a number;\n"+
		"a hopper is kept small for what is seen here. Where the machine does other work too, processor time says more than claims a second.\n\n", c.Rounds)
	aims(c.Out, []Aim{
		{fmt.Sprintf("at least %d claims/s one by one, of %d", aimSingle, stocks[1].ready), fmt.Sprintf("%.0f", single.rate), single.rate >= aimSingle},
		{fmt.Sprintf("at least %d claims/s in batches, of %d", aimBatched, stocks[1].ready), fmt.Sprintf("%.0f", batched.rate), batched.rate >= aimBatched},
		{fmt.Sprintf("ratio of the two stocks at least %.1f, one by one", aimRatio), fmt.Sprintf("%.2f", single.ratio), single.ratio >= aimRatio},
		{fmt.Sprintf("ratio of the two stocks at least %.1f, in batches", aimRatio), fmt.Sprintf("%.2f", batched.ratio), batched.ratio >= aimRatio},
	})
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// stock is a database with so many ready calls.
type stock struct {
	admin  *sql.DB
	db     *sql.DB
	name   string
	store  *store.Store
	ready  int
	server int // process number; 0 = not ours
	epochs []int64
	marks  []atomic.Int64
}

const workersMost = 8

func (s *stock) owner(worker int) string { return "bench-" + strconv.Itoa(worker) }

func newStock(ctx context.Context, dsn string, n int) (*stock, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("--dsn must read user:password@tcp(host:port)/")
	}
	cfg.InterpolateParams, cfg.ParseTime = true, true
	cfg.DBName = ""
	s := &stock{name: "ringmaster_bench_" + strconv.Itoa(n), ready: n, marks: make([]atomic.Int64, workersMost)}
	if s.admin, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		return nil, err
	}
	_, err = s.admin.ExecContext(ctx, "CREATE DATABASE `"+s.name+"` CHARACTER SET utf8mb4")
	if err != nil {
		_ = s.admin.Close()
		return nil, fmt.Errorf("database %s cannot be made (drop it if an earlier measurement was killed): %w", s.name, err)
	}
	cfg.DBName = s.name
	if s.db, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		return s, err
	}
	s.db.SetMaxIdleConns(workersMost)
	key := make([]byte, 32)
	s.store, err = store.Open(ctx, store.Config{Dialect: store.MySQL, DSN: cfg.FormatDSN(), NumberKey: key, Crypt: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return s, err
	}
	if _, err := s.store.Migrate(ctx, store.Latest); err != nil {
		return s, err
	}
	for i := range workersMost {
		epoch, err := s.store.Register(ctx, s.owner(i))
		if err != nil {
			return s, err
		}
		s.epochs = append(s.epochs, epoch)
	}
	return s, nil
}

func (s *stock) close() {
	if s.store != nil {
		_ = s.store.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, _ = s.admin.ExecContext(ctx, "DROP DATABASE `"+s.name+"`")
	_ = s.admin.Close()
}

// restore gives back what was claimed and waits until the server has cleared
// away what that left behind, a minute at most.
func (s *stock) restore(ctx context.Context) error {
	for _, q := range []string{
		"DELETE FROM attempt", "UPDATE task_contact SET state = 'ready' WHERE state = 'claimed'",
		"UPDATE homegrown SET state = 'ready' WHERE state = 'claimed'", "UPDATE hopper SET status = 'READY', taken_by = -1 WHERE status = 'QUEUE'",
	} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var history int64
		err := s.db.QueryRowContext(ctx, "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'").Scan(&history)
		if err != nil || history < 100 { // a user without the right waits for nothing
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// columnsOf are a table's columns as one row of values.
func columnsOf(rows *sql.Rows) (names []string, all [][]any, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	if names, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = slices.Clone(b)
			}
		}
		all = append(all, row)
	}
	return names, all, rows.Err()
}
