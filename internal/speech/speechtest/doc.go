// Package speechtest holds the contract suites that every speech adapter
// passes, and fakes that keep them: deterministic, scripted, without a network.
package speechtest
