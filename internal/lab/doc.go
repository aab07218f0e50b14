// Package lab is the roof of the instruments and the private real parts (an Asterisk, a MariaDB, a MySQL, programs) that tests,
// `make run-asterisk` and the demo use. Nothing below it is a default of the product: a production controller meets only the
// exchange and the database of its own configuration.
//
//   - env finds the parts that setup/*.sh installed, and decides whether a test that lacks one is skipped or fails;
//   - child runs a program that cannot outlive us;
//   - asterisk starts a private Asterisk 22 on loopback;
//   - mariadb starts a private MariaDB or MySQL server on loopback.
package lab
