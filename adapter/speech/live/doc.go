// Package live is what every streaming recognizer over a websocket shares, with
// no provider in it: a queue of frames that never blocks the call, the map
// between what was sent and the leg's clock (losses included), the deadlines
// after which a silent provider is given up, and the end of a stream, which has
// one reason and one only.
//
// A provider is a Codec: it makes results of messages and knows nothing of
// goroutines, connections or time.
package live
