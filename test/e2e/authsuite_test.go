//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var suitePage = regexp.MustCompile(`(?m)^(http://\S+/oauth/authorize\?\S+)$`)

// The official conformance suite of MCP for authorization servers: metadata, and a whole grant
// for a client that the operator has added.
func TestTheEmbeddedServerPassesTheAuthorizationSuite(t *testing.T) {
	h := start(t)
	at := freePort(t)
	_, port, _ := strings.Cut(at, ":")
	back := "http://" + at + "/callback"
	id := strings.TrimPrefix(strings.TrimSpace(h.must("client", "add", "suite", "--redirect", back)), "client ")
	said := &lockedBuffer{}
	bin := filepath.Join(peers, "node_modules", ".bin")
	c := exec.CommandContext(t.Context(), filepath.Join(bin, "node"), filepath.Join(bin, "conformance"), "authorization",
		"--url", h.dev.HTTP, "--client-id", id, "--resource", h.dev.HTTP+"/mcp", "--port", port)
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	h.until("the page of the suite", func() bool { return suitePage.MatchString(said.String()) })
	got := consentAt(t, suitePage.FindString(said.String()), "as the agent "+h.dev.Username, back,
		"KEY="+h.dev.AdminKey, "THROUGH=1")
	err := c.Wait()
	if err != nil || !strings.Contains(said.String(), "Total: 3 passed, 0 failed") {
		t.Errorf("%v; the page was\n%s\nthe suite says\n%s", err, got.Shown, said)
	}
}
