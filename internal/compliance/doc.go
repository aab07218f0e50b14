// Package compliance judges whether an act may be done now. Rules are pure:
// they take the time, the act and the facts, and the zero Verdict refuses.
package compliance
