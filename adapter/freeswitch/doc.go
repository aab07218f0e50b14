// Package freeswitch is pbx.Switch over FreeSWITCH's event socket (1.10 and
// 1.11, stock modules). It decides nothing: it places, watches and ends legs as
// the port says and turns what FreeSWITCH tells into the port's events.
//
// How a leg lives on the exchange:
//
//   - Its channel has the leg's own ID (origination_uuid), which is also what
//     keeps it from being dialled twice. It is originated into park(), and
//     whatever is done with it runs inside that park.
//   - Its audio is a call that FreeSWITCH makes to us: the leg executes bridge
//     to a SIP address of the media endpoint that works once. The channel of
//     that call is named <id>-m-<random>.
//   - An agent's leg <id>-agent is originated beside it and joined by
//     uuid_bridge when it has answered, so that the bot is heard until then.
//   - Should we vanish, sched_hangup ends the leg.
//
// Events arrive out of order, doubled or not at all: one goroutine a leg (run)
// owns what became of it, every step of its state goes one way only, the final
// event alone decides how it ended, and a leg whose events stop coming is looked
// up by its deadline. Hungup is told exactly once and last.
package freeswitch
