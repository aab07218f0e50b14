// Package amd decides from audio alone whether a person or a voicemail has
// answered, and finds the beep. It is a pure function over the events of a
// turn.Taker, so it hears the far side through our own voice: we speak first
// and decide while speaking.
//
// What sound alone can tell is limited, and the verdicts say so: a long
// greeting without a waiting pause is a machine suspected, a short one
// followed by silence a person, a beep after speech a voicemail almost surely;
// everything else stays uncertain. Words (which network, which mailbox) are
// judged elsewhere.
package amd
