// Package e2e drives the real binary from outside, with programs that are not
// ours: SMTP clients, verifiers, MCP clients, a mail server as the next hop.
//
// The tests need those programs (make peers) and the build tag e2e. LONG=1
// makes the fault tests longer.
package e2e
