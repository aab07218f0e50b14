// Package twin is a small exchange that speaks the Asterisk REST Interface on
// the wire, with scripted subscribers behind it: HTTP, the event websocket and
// the media websocket of chan_websocket. Demonstrations, tests and load runs
// reach it over its sockets exactly as they reach an Asterisk 22.
//
// It imitates what was measured on Asterisk 22.10.1, its quirks included: the
// order of events, causes that say nothing, a dialled call that is dropped
// because the application is away, marks that are lost at a flush, control
// messages that are too long and vanish, no sound at all when nobody speaks, a
// 409 that sticks to its connection. testdata holds messages captured from that
// version; a test compares every field.
//
// It is no PBX: there is no SIP behind it, and what ARI offers beyond the
// needs of a controller answers 404.
//
// # Sound
//
// One clock moves every line by 20 ms at the same moment: first what media legs
// and snoops say, then what telephones hear and say. A call costs two
// goroutines, both of its media socket, and none while nobody speaks.
//
// # Subscribers
//
// A file (format pbxsim/1, see demo.yaml) says who answers at which number:
//
//	format: pbxsim/1
//	callees:
//	  - name: patient            # for mix, and in records
//	    number: "1*"             # dialled number or pattern; or agent: or queue:
//	    trying: 100ms            # before the telephone rings
//	    ring: 2s                 # from the ring to the answer
//	    jitter: 3s               # and up to so much more
//	    early: [{say: 您拨打的电话正在通话中}]   # spoken before the answer (183)
//	    steps:                   # after it, one after the other
//	      - wait: 300ms
//	      - say: 喂，你好
//	      - listen: {start: 10s, silence: 900ms, max: 30s}   # the caller's turn
//	      - barge_in: 800ms      # wait until the caller speaks for so long; then
//	      - say: 等一下           # interrupt, and measure when it falls silent
//	      - dtmf: "12#"          # a comma is half a second
//	      - tone: {hz: 1400, for: 200ms}
//	      - beep: true
//	      - hangup: {cause: 16}  # or again: true, to begin anew
//	    limit: 60s               # hangs up so long after the answer
//	    noise: 60                # peak level of the line's noise
//	  - {name: engaged, number: busy, busy: true}   # or decline: true, reject: 503
//	  - {number: silent, never: true}       # rings until the caller gives up
//	  - {number: dead, never: true, silent: true}   # not even that
//	  - number: "2*"
//	    mix: [{weight: 3, as: patient}, {weight: 1, as: engaged}]
//
// # Its own interface
//
// GET /twin/stats, /twin/calls[?number=], /twin/rings; POST /twin/faults with a
// Fault; POST /twin/ring?app=&called=&from=&as= makes an inbound call.
package twin
