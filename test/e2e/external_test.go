//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// listened is a transport that remembers what servers ask for and what clients ask of them.
type listened struct {
	mu         sync.Mutex
	challenges []string // each once, in order
	tokens     []string // each bearer once
	refreshes  int
	registered string // id of the client that registered itself
}

func (l *listened) RoundTrip(r *http.Request) (*http.Response, error) {
	form, register := "", strings.HasSuffix(r.URL.Path, "/reg") || strings.HasSuffix(r.URL.Path, "/register")
	if r.Body != nil && strings.HasSuffix(r.URL.Path, "/token") {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, r.Body = string(b), io.NopCloser(strings.NewReader(string(b)))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q, _ := url.ParseQuery(form)
	if resp.StatusCode == http.StatusOK && q.Get("grant_type") == "refresh_token" {
		l.refreshes++
	}
	if register && resp.StatusCode == http.StatusCreated {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(strings.NewReader(string(b)))
		_, after, _ := strings.Cut(string(b), `"client_id":"`)
		l.registered, _, _ = strings.Cut(after, `"`)
	}
	note := func(list *[]string, text string) {
		if text != "" && !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	note(&l.challenges, resp.Header.Get("WWW-Authenticate"))
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	note(&l.tokens, bearer)
	return resp, nil
}

func (l *listened) seen() (challenges, tokens []string, refreshes int, registered string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.challenges), slices.Clone(l.tokens), l.refreshes, l.registered
}

// narrowed is a request of authorization that asks for one scope.
func narrowed(t *testing.T, start, scope string) string {
	t.Helper()
	u, err := url.Parse(start)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("scope", scope)
	u.RawQuery = q.Encode()
	return u.String()
}

// goes takes the client of the Go SDK from the URL to a refresh and a step-up. words are the
// scopes to read and to send, as the issuer calls them; base is the server.
func (c *signedClient) goes(ctx context.Context, s *server, words [2]string) {
	t := c.t
	t.Helper()
	heard := &listened{}
	c.http = &http.Client{Transport: heard}
	session, err := c.connect(ctx, s.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	agent := &mcpClient{t: t, s: session}
	if m := agent.call("list_mailboxes", nil); m.failed {
		t.Fatalf("%+v", m)
	}
	s.until("a refresh, before the token is over", func() bool {
		if m := agent.call("list_mailboxes", nil); m.failed {
			t.Fatalf("%+v", m)
		}
		_, _, refreshes, _ := heard.seen()
		return refreshes > 0
	})
	if len(c.asked) != 1 {
		t.Errorf("a person was asked %d times", len(c.asked))
	}
	subject := "stepped up " + rand.Text()
	agent.held(subject, nil) // the client asks for the scope, and calls again
	if len(c.asked) != 2 {
		t.Fatalf("a person was asked %d times", len(c.asked))
	}
	scopes := strings.Fields(c.asked[1].Get("scope"))
	for _, word := range words {
		if !slices.Contains(scopes, word) {
			t.Errorf("it came back for %q, without %s", scopes, word)
		}
	}
	if list := s.decides("pending"); !strings.Contains(list, subject) {
		t.Errorf("pending shows\n%s", list)
	}
	challenges, tokens, _, registered := heard.seen()
	metadata := `resource_metadata="` + s.dev.HTTP + `/.well-known/oauth-protected-resource/mcp"`
	both := `scope="` + words[0] + " " + words[1] + `"`
	for i, want := range [][]string{{both, metadata}, {`error="insufficient_scope"`, both, metadata}} {
		at := slices.IndexFunc(challenges, func(c string) bool {
			return strings.Contains(c, "insufficient_scope") == (i == 1)
		})
		for _, part := range want {
			if at < 0 || !strings.Contains(challenges[at], part) {
				t.Errorf("no %s in challenge %d of %q", part, i, challenges)
			}
		}
	}
	if len(tokens) < 3 || registered == "" {
		t.Errorf("%d tokens, registered as %q", len(tokens), registered)
	}
}

// The client of the Go SDK does all of it at the embedded server, and at an issuer elsewhere
// that lets clients register.
func TestTheGoClientRegistersRefreshesAndStepsUp(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 6*time.Minute)
	defer stop()
	t.Run("embedded", func(t *testing.T) {
		s := serveWorld(t, "", "[oauth]\nserver = \"embedded\"\nclient_hosts = [\"loopback\"]\naccess_lifetime = \"12s\"\n")
		admin := strings.TrimSpace(s.must("key", "create", "admin", "ops", "--scope", "admin"))
		c := &signedClient{t: t}
		c.ask = func(start string) consented {
			env := []string{"KEY=" + admin}
			if len(c.asked) == 1 {
				env = append(env, "WITHOUT=send")
			}
			return consent(t, start, "as the agent bot", env...)
		}
		c.goes(ctx, s, [2]string{"read", "send"})
	})
	t.Run("elsewhere", func(t *testing.T) {
		t.Setenv("TTL", "12") // of access tokens
		s, _ := withPeople(t, "[oauth]\nserver = \"corp\"\n"+corp+
			"[issuer.scopes]\nread = [\"mail.read\"]\nsend = [\"mail.send\"]\n")
		c, bound := &signedClient{t: t}, ""
		c.ask = func(start string) consented {
			if id := param(t, start, "client_id"); id != bound { // it registers itself each time
				s.must("agent", "bind", "bot", "--issuer", "corp", "--object", id, "--client", id)
				bound = id
			}
			if len(c.asked) == 1 {
				start = narrowed(t, start, "mail.read")
			}
			return consent(t, start, "-", "PERSON=anna")
		}
		c.goes(ctx, s, [2]string{"mail.read", "mail.send"})
	})
}

// The clients of the TypeScript SDK do the same there.
func TestTheTypeScriptClientsUseAnIssuerElsewhere(t *testing.T) {
	s, issuer := withPeople(t, "[oauth]\nserver = \"corp\"\n"+corp+
		"[issuer.scopes]\nread = [\"mail.read\"]\nsend = [\"mail.send\"]\n")
	bind := encode(t, []string{binary, "agent", "bind", "bot", "--issuer", "corp", "--data", s.data})
	var clients []typeScript
	decode(t, must(t, node(t, "oauth.mjs", "MCP_URL="+s.dev.HTTP+"/mcp", "PERSON=anna", "OFFER=-", "BIND="+bind,
		"READ=mail.read", "SEND=mail.send")), &clients)
	if len(clients) != 3 {
		t.Fatalf("%d clients", len(clients))
	}
	same := func(scopes string) bool {
		words := slices.DeleteFunc(strings.Fields(scopes), func(word string) bool { return word == "offline_access" })
		slices.Sort(words) // 2.x asks for offline_access where the issuer has it
		return slices.Equal(words, []string{"mail.read", "mail.send"})
	}
	for _, c := range clients {
		if !strings.Contains(c.First, "UnauthorizedError") || c.Asked["resource"] != s.dev.HTTP+"/mcp" ||
			c.Asked["code_challenge_method"] != "S256" || !same(c.Asked["scope"]) || c.Iss != issuer {
			t.Errorf("%s began with %+v", c.Name, c)
		}
		if c.Scope != "mail.read" || !c.Read || !c.Refreshed {
			t.Errorf("%s got %+v", c.Name, c)
		}
		if c.StepUp == "" || !same(c.AskedAgain) || !same(c.ScopeAfter) || c.Consents != 2 ||
			c.Sent != "pending_send_approval" {
			t.Errorf("%s came back with %+v", c.Name, c)
		}
		if list := s.decides("pending"); !strings.Contains(list, "oauth "+c.Name) {
			t.Errorf("pending shows\n%s", list)
		}
	}
}

// tolerant is a client that was registered at the issuer, and asks for no more than its
// metadata have.
type tolerant struct {
	e       *entra
	program string
	found   map[string]any // metadata of the issuer
}

// get returns the JSON of an address.
func (c *tolerant) get(address string) (m map[string]any) {
	t := c.e.t
	t.Helper()
	resp, err := c.e.browser().Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	decode(t, string(b), &m)
	return m
}

// discover follows a challenge to the metadata of the issuer, and looks at what they lack.
func (c *tolerant) discover(challenge string) {
	t := c.e.t
	t.Helper()
	_, after, _ := strings.Cut(challenge, `resource_metadata="`)
	where, _, _ := strings.Cut(after, `"`)
	issuer, _ := c.get(where)["authorization_servers"].([]any)[0].(string)
	c.found = c.get(issuer + "/.well-known/openid-configuration")
	for _, name := range []string{"code_challenge_methods_supported", "registration_endpoint",
		"client_id_metadata_document_supported"} {
		if c.found[name] != nil {
			t.Errorf("the stand-in announces %s", name)
		}
	}
}

// token returns an access token for a scope.
func (c *tolerant) token(scope string) string {
	t := c.e.t
	t.Helper()
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	browser := c.e.browser()
	browser.CheckRedirect = unfollowed.CheckRedirect
	resp, err := browser.Get(c.found["authorization_endpoint"].(string) + "?" + url.Values{"client_id": {c.program},
		"response_type": {"code"}, "redirect_uri": {back}, "state": {"s"}, "scope": {scope},
		"code_challenge_method": {"S256"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(sum[:])}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	code := param(t, resp.Header.Get("Location"), "code")
	resp, err = browser.PostForm(c.found["token_endpoint"].(string), url.Values{"grant_type": {"authorization_code"},
		"client_id": {c.program}, "client_secret": {"a secret of the server"}, "code": {code}, "redirect_uri": {back},
		"code_verifier": {verifier}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var got struct {
		Access string `json:"access_token"`
	}
	decode(t, string(b), &got)
	return got.Access
}

// A client that the operator has registered at Entra, and that goes on though PKCE is not
// announced, gets its token there and acts with it.
func TestATolerantClientGetsItsTokenFromEntraItself(t *testing.T) {
	const program = "6d1f5a52-0c5b-4e7e-9d7f-0a4b6a0c1e11"
	e := newEntra(t)
	s := e.serve("[oauth]\nserver = \"corp\"\n" + corpEntra +
		"[issuer.scopes]\nread = [\"Mail.Read\"]\nsend = [\"Mail.Send\"]\n")
	s.must("agent", "bind", "bot", "--issuer", "corp", "--tenant", entraTenant, "--object", program, "--client", program)
	resp, err := http.Post(s.dev.HTTP+"/mcp", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	challenge := resp.Header.Get("WWW-Authenticate")
	if want := `scope="api://multimail/Mail.Read api://multimail/Mail.Send"`; !strings.Contains(challenge, want) {
		t.Errorf("the challenge is %s, without %s", challenge, want)
	}
	c := &tolerant{e: e, program: program}
	c.discover(challenge)
	reader := s.mcp(c.token("api://multimail/Mail.Read"))
	if m := reader.call("list_mailboxes", nil); m.failed {
		t.Errorf("it does not read: %+v", m)
	}
	draft := map[string]any{"to": []string{"to@dest.test"}, "subject": "s", "markdown": "m"}
	if m := reader.call("send_email", draft); !m.failed {
		t.Errorf("it sends without the scope: %+v", m)
	}
	s.mcp(c.token("api://multimail/Mail.Read api://multimail/Mail.Send")).held("by entra", nil)
	if list := s.decides("pending"); !strings.Contains(list, "by entra") {
		t.Errorf("pending shows\n%s", list)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	refused := &http.Client{Transport: &keyed{key: c.token("openid")}} // for nothing here
	_, err = mcp.NewClient(&mcp.Implementation{Name: "go", Version: "1"}, nil).Connect(ctx,
		&mcp.StreamableClientTransport{Endpoint: s.dev.HTTP + "/mcp", HTTPClient: refused}, nil)
	if err == nil {
		t.Error("a token without a scope of this server is taken")
	}
}
