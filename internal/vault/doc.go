// Package vault seals originals that a policy keeps: envelope encryption, in a
// stream, of any length.
//
// Every object has a data key of its own, which is wrapped by a key of the ring
// and kept beside it. Rotation wraps the data keys anew and does not touch the
// data; a retired key opens what it wrapped and wraps nothing any more. Nothing
// here does I/O but through the readers and writers it is given, and nothing
// here decides who may read: that takes a reason and leaves an audit row.
//
// The body is cut into chunks of 64 KiB, each sealed with AES-256-GCM (NIST SP
// 800-38D) under the data key. The nonce counts the chunks and marks the last
// one (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015):
// a chunk that is altered, dropped, doubled, moved or cut off does not open.
package vault
