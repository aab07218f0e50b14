// Package wire is the server side of a websocket (RFC 6455), frame by frame:
// the exchange twin must see how a message was cut into frames, because the
// real Asterisk reacts to that, and must be able to misbehave on purpose.
package wire
