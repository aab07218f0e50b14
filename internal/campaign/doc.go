// Package campaign holds the nouns of outbound calling: task, contact,
// attempt, disposition, outcome and retry policy. It has no I/O and no clock.
package campaign
