// Package fstwin is a small FreeSWITCH for tests, demonstrations and load: the
// event socket on the wire, inbound and outbound, with the scripted subscribers
// of the ARI twin behind it (internal/lab/twin: the same cast, sound, clock and
// books), and real SIP and RTP to whoever a channel is bridged with outside.
//
// It imitates what was measured on FreeSWITCH v1.11.2, its quirks included:
// replies that carry no name, everything after CUSTOM taken for a subclass, an
// api that blocks its own connection, events of one call out of order, +OK for
// early media, either order of a failed job and its channel's end, one cause for
// half a dozen refusals, executions that nest unless they are locked, "FILE
// PLAYED" after a break, a table of channels that lies behind, unicast that dies
// with the park. testdata has messages captured from that version; a test
// compares every header.
//
// It is no PBX: there is no dialplan but Config.Dialplan, no registrar, and a
// call comes in only by Ring.
//
// # Who is dialled
//
//	sofia/gateway/<name>/<number>    a number of the cast
//	user/<name>                      an agent of the cast
//	sofia/<profile>/<who>@<host>     an agent or a number; with host an
//	                                 address and port: a real SIP call there
//	callcenter <queue>@<domain>      a queue of the cast
//
// # Its own commands
//
// api twin stats | calls [number] | rings | fault {"kind":..} | ring <extension>
// <from> <as>, answered in JSON.
package fstwin
