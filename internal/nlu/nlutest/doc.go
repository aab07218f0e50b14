// Package nlutest is the contract that every nlu.Understander and every
// nlu.Composer passes: what an answer may hold, that it abstains, that it is
// safe for concurrent use and bounded on hostile input and hostile servers.
package nlutest
