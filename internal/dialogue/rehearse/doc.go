// Package rehearse plays conversation files against a script: what the
// customer says, what must be said to him, and what must come of it. The files
// stand beside the scripts (name.test.yaml) and are written by the same people.
package rehearse
