// Package esl is a bare client of FreeSWITCH's event socket, and the listener
// of its outbound sockets. It knows commands, replies and events, and nothing
// of calls.
//
// What it holds to:
//
//   - One connection for events, one for commands: a slow api stops the events
//     of its own connection.
//   - The reader never blocks. Replies go to their waiters, events into a
//     bounded queue that one dispatcher empties; when that overflows the
//     connection is closed by us (ErrBehind), because a stalled reader freezes
//     the event socket of the whole exchange.
//   - Replies carry no name and come in the order of the commands: queue and
//     write are one step, a caller that gives up leaves its place, and a late
//     reply is thrown away.
//   - The reader takes no lock that a writer can hold while writing.
//   - A dead peer is noticed by its silence: a ping on either connection, and
//     three periods without a byte end it.
//
// The files: frame.go cuts the stream into messages (pure, fuzzed); event.go
// reads one event (pure, fuzzed); conn.go is one connection; client.go keeps
// two of them alive and tells of restarts; server.go listens for calls that
// the dialplan hands over.
package esl
