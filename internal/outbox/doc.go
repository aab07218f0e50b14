// Package outbox delivers what was written together with an outcome: each
// message at least once, in order per call, signed, with a message ID that
// lets the receiver drop a second copy, with back-off and dead letters.
package outbox
