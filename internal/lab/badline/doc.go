// Package badline is a laboratory instrument: a TCP line between a program and
// a server that is cut in the midst of a message, stands still with both ends
// believing in it (half-open), or passes bytes so slowly that the server sees a
// reader that does not read.
package badline
