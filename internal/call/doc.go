// Package call is one attempt in progress. It has two halves: step, which is
// pure and makes every decision of a call, and the shell around it, which owns
// one mailbox, pumps every blocking stream into it and carries out effects.
//
// Audio does not pass through the mailbox: two goroutines a call carry frames,
// one from the leg (listener) and one to it (speaker).
package call
