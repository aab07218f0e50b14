// Package twin is a small exchange that speaks the Asterisk REST Interface on
// the wire, with scripted subscribers behind it: HTTP, the event websocket and
// the media websocket of chan_websocket. Demonstrations, tests and load runs
// reach it over its sockets exactly as they reach an Asterisk 22.
//
// It imitates what was measured on Asterisk 22.10.1, its quirks included: the
// order of events, causes that say nothing, a dialled call that is dropped
// because the application is away, marks that are lost at a flush, control
// messages that are too long and vanish, no sound at all when nobody speaks.
// What a controller must survive can be made to happen (Fault).
//
// It is no PBX: there is no SIP behind it, and what ARI offers beyond the
// needs of a controller answers 404.
package twin
