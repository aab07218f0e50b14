// Package ari is a bare client of the Asterisk REST Interface: requests over
// plain HTTP keep-alive, events over one websocket that one goroutine reads and
// never blocks on. It knows the wire and nothing of calls: what an event means
// is decided in adapter/asterisk.
//
// What it guarantees:
//
//  1. Events reach the Handler in the order in which Asterisk sent them.
//  2. Between Handler.Lost and the next successful Handler.Restored events may
//     be missing; outside of that none is.
//  3. A failed request is one of three kinds: pbx.ErrUnavailable (nothing was
//     sent), pbx.ErrRefused (Asterisk said no; an *Error with its words) or
//     pbx.ErrUnknown (sent, no answer). It never repeats a request.
//  4. Every wait is bounded: requests by Config.RequestTimeout, a silent event
//     socket by three ping periods.
//  5. Foreign bytes are bounded in size and depth before they are decoded.
//
// Sources: the ARI resource documents of Asterisk 22 and measurements on
// Asterisk 22.10.1.
package ari
