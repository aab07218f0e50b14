// Package subscriber makes SIP telephones (internal/lab/sipphone) do what the
// scripts of internal/lab/twin/callee say, and tells what they heard as the
// contract of the pbx port wants it: the suite then runs on a real exchange.
// Proxy cuts the line between us and that exchange.
package subscriber
