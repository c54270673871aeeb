//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// bridge starts `multimail mcp` without a key, with the file of its token.
func (h *daemon) bridge(file string, args ...string) (c *exec.Cmd, said *lockedBuffer) {
	said = &lockedBuffer{}
	c = exec.CommandContext(h.t.Context(), binary, append([]string{"mcp"}, args...)...)
	c.Env = []string{"MULTIMAIL_URL=" + h.dev.HTTP, "MULTIMAIL_TOKEN_FILE=" + file, "PATH=/nowhere"}
	c.Stderr = said
	return c, said
}

var signInPage = regexp.MustCompile(`(?m)^  (http://\S+)$`)

// page waits until the bridge asks for a sign-in, and returns where the browser is to go.
func (h *daemon) page(said *lockedBuffer) (start, back string) {
	h.t.Helper()
	h.until("a page to sign in", func() bool { return signInPage.MatchString(said.String()) })
	start = signInPage.FindStringSubmatch(said.String())[1]
	return start, param(h.t, start, "redirect_uri")
}

// A program on stdio has a person sign in once; the next one finds the token, and asks again
// when the grant has ended.
func TestTheBridgeOnStdioSignsInWithABrowser(t *testing.T) {
	h := start(t)
	file := filepath.Join(t.TempDir(), "a", "token.json")
	c, said := h.bridge(file, "--sign-in")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	page, back := h.page(said)
	got := consentAt(t, page, "as the agent "+h.dev.Username, back, "KEY="+h.dev.AdminKey, "THROUGH=1")
	if err := c.Wait(); err != nil || !strings.Contains(said.String(), "Signed in for the agent "+h.dev.Username) {
		t.Fatalf("%v\n%s", err, said)
	}
	if !strings.Contains(got.Shown, "multimail mcp") || !strings.Contains(got.End, "close this page") {
		t.Errorf("the browser showed %+v", got)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	c, said = h.bridge(file)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(t.Context(),
		&mcp.CommandTransport{Command: c}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil || !slices.Equal(names(tools.Tools), h.mcp(h.dev.AgentKey).tools()) {
		t.Errorf("%v %v", tools, err)
	}
	sent, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "send_email", Arguments: map[string]any{
		"to": []string{"to@dest.test"}, "subject": "by stdio", "markdown": "Hello."}})
	if err != nil || sent.IsError {
		t.Fatalf("%+v %v", sent, err)
	}
	if m := h.only("by stdio"); m.Agent != h.dev.Username {
		t.Errorf("pending shows %+v", m)
	}
	h.must("grant", "revoke", firstID(h.must("grant", "list")))
	again, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
	if err != nil || !again.IsError || !strings.Contains(encode(t, again.Content), "multimail mcp --sign-in") {
		t.Errorf("after the grant has ended: %s %v", encode(t, again), err)
	}
	session.Close()
	c, said = h.bridge(file, "--sign-in=false")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	page, _ = h.page(said)
	scopes := strings.Fields(param(t, page, "scope"))
	if slices.Sort(scopes); !slices.Equal(scopes, []string{"read", "send"}) {
		t.Errorf("it asks for %s", page)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}
