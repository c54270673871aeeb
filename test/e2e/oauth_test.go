//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const back = "http://127.0.0.1:1/callback" // the browser is kept from asking it

// consented is what consent.mjs saw.
type consented struct {
	Back, Shown    string
	End            string // what the page of the client says in the end
	Cookies, After []string
}

// consent opens an authorization request in Chromium, signs in as env says, and allows an offer.
func consent(t *testing.T, start, offer string, env ...string) consented {
	t.Helper()
	return consentAt(t, start, offer, back, env...)
}

// consentAt is consent for a client whose answer comes to another address.
func consentAt(t *testing.T, start, offer, back string, env ...string) (got consented) {
	t.Helper()
	decode(t, must(t, node(t, "consent.mjs", append(env, "START="+start, "OFFER="+offer, "BACK="+back)...)), &got)
	return got
}

// param is a parameter of a URL.
func param(t *testing.T, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

// signedClient is the client of the Go SDK with a person in front of it.
type signedClient struct {
	t     *testing.T
	known *oauthex.ClientCredentials   // nil: it registers itself
	id    string                       // URL of the document that says what it is; "": there is none
	http  *http.Client                 // nil: http.DefaultClient
	ask   func(start string) consented // what the person does
	asked []url.Values                 // requests of authorization
}

// connect connects to /mcp with the URL alone.
func (c *signedClient) connect(ctx context.Context, base string) (*mcp.ClientSession, error) {
	c.t.Helper()
	conf := &auth.AuthorizationCodeHandlerConfig{RedirectURL: back, AuthorizationCodeFetcher: c.authorize,
		PreregisteredClient: c.known, Client: c.http}
	switch {
	case c.id != "":
		conf.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: c.id}
	case c.known == nil:
		conf.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{RedirectURIs: []string{back}, ClientName: "go-sdk's client",
				TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"}}}
	}
	handler, err := auth.NewAuthorizationCodeHandler(conf)
	if err != nil {
		c.t.Fatal(err)
	}
	return mcp.NewClient(&mcp.Implementation{Name: "go", Version: "1"}, nil).Connect(ctx,
		&mcp.StreamableClientTransport{Endpoint: base + "/mcp", OAuthHandler: handler, HTTPClient: c.http}, nil)
}

func (c *signedClient) authorize(_ context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	start, err := url.Parse(a.URL)
	if err != nil {
		return nil, err
	}
	c.asked = append(c.asked, start.Query())
	end, err := url.Parse(c.ask(a.URL).Back)
	if err != nil {
		return nil, err
	}
	q := end.Query()
	if q.Get("code") == "" {
		return nil, errors.New("refused: " + q.Get("error"))
	}
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}

// From nothing but the URL: 401, metadata, registration, PKCE, consent in a browser, token, tool.
func TestAClientWithTheURLAloneGetsAPersonsConsentAndCallsATool(t *testing.T) {
	h := start(t)
	c := &signedClient{t: t, ask: func(start string) consented {
		got := consent(t, start, "as the agent "+h.dev.Username, "KEY="+h.dev.AdminKey)
		for _, part := range []string{"go-sdk's client", "127.0.0.1", h.dev.Mailbox, "read mail", "send mail"} {
			if !strings.Contains(got.Shown, part) {
				t.Errorf("the page does not show %q:\n%s", part, got.Shown)
			}
		}
		if !slices.Equal(got.Cookies, []string{"__Host-mm_session"}) || len(got.After) > 0 {
			t.Errorf("cookies %q, %q after the consent", got.Cookies, got.After)
		}
		return got
	}}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	session, err := c.connect(ctx, h.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if len(c.asked) != 1 || c.asked[0].Get("resource") != h.dev.HTTP+"/mcp" ||
		c.asked[0].Get("code_challenge_method") != "S256" {
		t.Errorf("the client asked for %v", c.asked)
	}
	got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
	if err != nil || got.IsError {
		t.Fatalf("%+v %v", got, err)
	}
	list := h.must("grant", "list")
	if !strings.Contains(list, " agent "+h.dev.Username+" ") || !strings.Contains(list, "admin:dev-admin") {
		t.Errorf("the grants are\n%s", list)
	}
	h.must("grant", "revoke", firstID(list))
	c.ask = func(string) consented { return consented{Back: back + "?error=access_denied"} }
	got, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
	if err == nil && !got.IsError {
		t.Error("the token is good after the grant has ended")
	}
}

// firstID is the id in the first line of a list.
func firstID(list string) string { return strings.Fields(strings.SplitN(list, "\n", 3)[1])[0] }

// typeScript is what oauth.mjs saw of a client.
type typeScript struct {
	Name, First, Scope, Iss, StepUp, AskedAgain, ScopeAfter, Sent, Replay, After string
	Asked                                                                        map[string]string
	States                                                                       []bool
	Read, Refreshed, Forgot                                                      bool
	Consents                                                                     int
}

// The clients of the TypeScript SDK sign in, refresh, and come back for more scopes. What a
// stolen refresh token brings ends with the grant.
func TestTheTypeScriptClientsSignInRefreshAndStepUp(t *testing.T) {
	h := start(t)
	var clients []typeScript
	decode(t, must(t, node(t, "oauth.mjs", "MCP_URL="+h.dev.HTTP+"/mcp", "KEY="+h.dev.AdminKey, "OFFER=as the agent "+
		h.dev.Username)), &clients)
	h.wentThrough(clients)
}

// wentThrough checks what the clients of oauth.mjs saw, and what is left of them.
func (h *daemon) wentThrough(clients []typeScript) {
	t := h.t
	t.Helper()
	if len(clients) != 3 {
		t.Fatalf("%d clients", len(clients))
	}
	for _, c := range clients {
		if !strings.Contains(c.First, "UnauthorizedError") || c.Asked["resource"] != h.dev.HTTP+"/mcp" ||
			c.Asked["code_challenge_method"] != "S256" || c.Asked["scope"] != "read send" || c.Iss != h.dev.HTTP ||
			!slices.Equal(c.States, []bool{true, true}) {
			t.Errorf("%s began with %+v", c.Name, c)
		}
		if c.Scope != "read" || !c.Read || !c.Refreshed {
			t.Errorf("%s got %+v", c.Name, c)
		}
		if c.StepUp == "" || c.AskedAgain != "read send" || c.ScopeAfter != "read send" || c.Consents != 2 ||
			c.Sent != "pending_send_approval" {
			t.Errorf("%s came back with %+v", c.Name, c)
		}
		if !strings.Contains(c.Replay, "Unauthorized") || !strings.Contains(c.After, "Unauthorized") || !c.Forgot {
			t.Errorf("%s after a replay: %+v", c.Name, c)
		}
		if m := h.only("oauth " + c.Name); m.Agent != h.dev.Username || m.Door != "mcp" {
			t.Errorf("%s: pending shows %+v", c.Name, m)
		}
	}
	if n := len(h.pending()); n != len(clients) {
		t.Errorf("%d mails are pending", n)
	}
	log := h.must("audit", "export")
	if n := strings.Count(log, `\"kind\":\"grant.end\"`); n != len(clients) ||
		strings.Count(log, `\"why\":\"replay\"`) != n {
		t.Errorf("%d grants have ended", n)
	}
}
