// Package asterisk is pbx.Switch over the Asterisk REST Interface (Asterisk
// 22). It decides nothing: it places, watches and ends legs as the port says
// and turns what Asterisk tells into the port's events, in causal order.
//
// How a leg lives on the exchange:
//
//   - Its channel has the leg's own ID. It is originated with app= (outcome and
//     final event are certain) or, where early media must be heard and for
//     agents, made by create + dial.
//   - At the answer, before Answered is told, the channel is put into a mixing
//     bridge of its own named rm-<id>: in a bridge no ARI command blocks.
//   - The media leg <id>-m-<random> joins that bridge; so does an agent's leg
//     <id>-agent at a hand-over, after the media leg has left.
//   - Whoever ends first, media leg, snoops and bridge are deleted; a janitor
//     deletes what a crash left.
//
// One goroutine a leg (run) owns what became of it: it alone sees the leg's
// events and gives out pbx events, Hungup exactly once and last. A leg whose
// events stop coming is looked up by its deadline.
package asterisk
