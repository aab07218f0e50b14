// Package dbproxy is a laboratory instrument: it stands between a program and
// a MySQL or MariaDB server, forwards their packets, and breaks what it is told
// to break: commits whose answer is lost, commits that never arrive, deadlocks
// (1213), lock wait time-outs (1205), a network that stands still, connections
// that are cut.
package dbproxy
