// Package mariadb starts a private MariaDB (or, where it is installed, Oracle's MySQL) on loopback: the program of
// setup/mariadb.sh on a copy of an empty database folder, so a start takes well under a second. Tests use it; production has a
// database of its own.
//
// A server dies with the process that started it, and what a killed run left is cleaned at the next start (package child). It
// keeps its data over Kill and Restart: every commit is with the kernel before it is acknowledged, so a killed server
// loses nothing that it acknowledged, as a production server would not (only a power cut is not imitated).
//
// A test package shares one server, by a Pool in a variable of its own:
//
//	var servers mariadb.Pool
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Around(m)) }
//
//	func TestStore(t *testing.T) { dsn := servers.Database(t, mariadb.MariaDB) ... }
package mariadb
