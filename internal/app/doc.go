// Package app is the one staircase of the house: it wires stores, exchanges,
// providers, scheduler, outbox and API together from a config.Config, runs
// them, and takes them down in order. Only cmd imports it.
package app
