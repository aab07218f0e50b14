// Package compliance judges whether an act may be done now: a call or a
// message, on whatever path it came about.
//
// Rules are pure. They take the moment, the act and the facts that a store
// read under the locks of person and number, and say Allow, Wait (with the
// first instant at which they would allow, where it can be known) or Refuse.
// The zero Verdict refuses, no rules refuse, and a rule that fails refuses.
// New makes the complete list in its order; docs/compliance.md describes it.
//
// What the law says is data: a Set of jurisdiction files, each figure beside
// its source. ParseJurisdiction reads hostile bytes; package config ships the
// presets. Where several laws or several time zones apply, all must allow.
//
// Keep says how long something is kept.
package compliance
