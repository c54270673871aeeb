//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// people runs node-oidc-provider, where people sign in, until the test ends. The server
// behind base is its client "multimail".
func people(t *testing.T, issuer, base string) {
	t.Helper()
	c := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "people.mjs"))
	c.Env = append(c.Environ(), "ISSUER="+issuer, "RESOURCE="+base+"/mcp", "PEOPLE="+encode(t, map[string]any{
		"anna": map[string]any{"roles": []string{"Mail.Agents"}, "name": "Anna"},
		"eve":  map[string]any{"roles": []string{"Mail.Nothing"}, "name": "Eve"},
		"ben":  map[string]any{"roles": []string{"Mail.Agents"}, "name": "Ben"},
	}), "CLIENTS="+encode(t, []map[string]any{
		{"client_id": "multimail", "client_secret": "a secret of the server", "redirect_uris": []string{base +
			"/oauth/callback"}, "grant_types": []string{"authorization_code"}, "response_types": []string{"code"}},
		{"client_id": "program", "token_endpoint_auth_method": "none", "application_type": "native",
			"redirect_uris": []string{back}, "grant_types": []string{"authorization_code", "refresh_token"},
			"response_types": []string{"code"}},
	}))
	out := &lockedBuffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		<-done
		if t.Failed() {
			t.Logf("the issuer said:\n%s", out)
		}
	})
	end := time.Now().Add(time.Minute)
	for ; !strings.Contains(out.String(), "listening"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the issuer did not start: %s", out)
		}
	}
}

// withPeople is a server with an agent bot, and people who sign in elsewhere. Settings are
// TOML; ISSUER and BASE stand for the addresses of both.
func withPeople(t *testing.T, settings string) (s *server, issuer string) {
	t.Helper()
	issuer = "http://" + freePort(t)
	s = serveWorld(t, "", strings.ReplaceAll(settings, "ISSUER", issuer))
	people(t, issuer, s.dev.HTTP)
	return s, issuer
}

const corp = `[[issuer]]
name = "corp"
preset = "generic"
issuer = "ISSUER"
discovery_url = "ISSUER/.well-known/openid-configuration"
audiences = ["BASE/mcp"]
`

// A person signs in at an issuer and grants what the configuration lets them, and only that.
func TestPeopleSignInAtAnIssuerAndGrantWhatTheyMay(t *testing.T) {
	secret := write(t, "login.secret", "a secret of the server\n")
	s, _ := withPeople(t, "[oauth]\nserver = \"embedded\"\nclient_hosts = [\"loopback\"]\n[[oauth.grant]]\nissuer = "+
		"\"corp\"\nrole = \"Mail.Agents\"\nagents = [\"bot\"]\nscopes = [\"read\", \"send\"]\n"+corp+
		"[issuer.login]\nclient_id = \"multimail\"\nclient_secret_file = \""+secret+"\"\n")
	s.decides("approver", "bind", "ben", "--issuer", "corp", "--object", "ben")
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	as := func(person string) (*signedClient, *mcp.ClientSession, error) {
		c := &signedClient{t: t}
		c.ask = func(start string) consented {
			got := consent(t, start, "as the agent bot", "PERSON="+person)
			if strings.Contains(got.Shown, "as the agent") != (person == "anna") {
				t.Errorf("%s is shown\n%s", person, got.Shown)
			}
			return got
		}
		session, err := c.connect(ctx, s.dev.HTTP)
		return c, session, err
	}
	// Not every employee, and nobody who decides over the mail.
	for _, person := range []string{"eve", "ben"} {
		if _, _, err := as(person); err == nil || !strings.Contains(err.Error(), "access_denied") {
			t.Errorf("%s: %v", person, err)
		}
	}
	c, session, err := as("anna")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	sent, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "send_email", Arguments: map[string]any{
		"to": []string{"to@dest.test"}, "subject": "by anna", "markdown": "Hello."}})
	if err != nil || sent.IsError {
		t.Fatalf("%+v %v", sent, err)
	}
	if list := s.must("grant", "list"); strings.Count(list, "\n") != 2 || !strings.Contains(list, " agent bot ") ||
		!strings.Contains(list, "corp::anna") {
		t.Errorf("the grants are\n%s", list)
	}
	if list := s.decides("pending"); !strings.Contains(list, "by anna") {
		t.Errorf("pending shows\n%s", list)
	}
	// Anna becomes an approver: what she granted is worth nothing from now on.
	c.ask = func(string) consented { return consented{Back: back + "?error=access_denied"} }
	s.decides("approver", "bind", "anna", "--issuer", "corp", "--object", "anna")
	again, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
	if err == nil && !again.IsError {
		t.Error("an approver acts as an agent")
	}
}

// The metadata lead to an issuer elsewhere; its tokens count in its own words for scopes.
func TestAnIssuerElsewhereGivesTokensToClientsThatItKnows(t *testing.T) {
	s, issuer := withPeople(t, "[oauth]\nserver = \"corp\"\n"+corp+
		"[issuer.scopes]\nread = [\"mail.read\"]\nsend = [\"mail.send\"]\n")
	s.must("agent", "bind", "bot", "--issuer", "corp", "--object", "anna", "--client", "program")
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	c := &signedClient{t: t, known: &oauthex.ClientCredentials{ClientID: "program"}}
	c.ask = func(start string) consented {
		if !strings.HasPrefix(start, issuer+"/") {
			t.Errorf("the client is sent to %s", start)
		}
		return consent(t, start, "-", "PERSON=anna")
	}
	session, err := c.connect(ctx, s.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	q := c.asked[0]
	if q.Get("resource") != s.dev.HTTP+"/mcp" || !slices.Equal(strings.Fields(q.Get("scope")),
		[]string{"mail.read", "mail.send"}) {
		t.Errorf("the client asked for %v", q)
	}
	sent, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "send_email", Arguments: map[string]any{
		"to": []string{"to@dest.test"}, "subject": "by corp", "markdown": "Hello."}})
	if err != nil || sent.IsError {
		t.Fatalf("%+v %v", sent, err)
	}
	if list := s.decides("pending"); !strings.Contains(list, "by corp") {
		t.Errorf("pending shows\n%s", list)
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/oauth/authorize"} {
		if status, _ := s.http("GET", path, ""); status != 404 {
			t.Errorf("%s: %d, though the issuer is another one", path, status)
		}
	}
}
