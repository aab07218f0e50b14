// Package pbx is the port to a private branch exchange. We name things before
// they exist. A command returns when it is accepted or refused; what comes of
// it is an event. Events of one leg arrive in causal order, end with Hungup,
// and a gap is itself an event (LinkLost, LinkRestored).
//
// Adapters live under adapter/asterisk and adapter/freeswitch; the contract
// that each of them passes is internal/pbx/pbxtest.
package pbx
