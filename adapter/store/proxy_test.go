package store

import (
	"testing"

	"github.com/go-sql-driver/mysql"

	"ringmaster/internal/lab/dbproxy"
)

// proxied gives c another address: that of a proxy before it.
func proxied(t testing.TB, c Config) (*dbproxy.Proxy, Config) {
	t.Helper()
	cfg, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dbproxy.New(cfg.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	cfg.Addr = p.Addr()
	c.DSN = cfg.FormatDSN()
	return p, c
}
