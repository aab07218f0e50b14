// Package api is the REST API: each handler reads, checks, calls one method
// and writes. Errors are problem+json (RFC 9457) with the field named.
package api
