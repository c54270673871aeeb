package httpd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// post makes a request to an endpoint of OAuth from an address.
func (b *browser) post(from, path, body string) *http.Response {
	return b.ask(from, "POST", path, body)
}

func (b *browser) ask(from, method, path, body string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	b.s.Handler().ServeHTTP(w, r)
	return w.Result()
}

// Libraries read the form of RFC 6749 alone, and must not take an outage for a refusal.
func TestTheTokenEndpointKeepsItsFormWhenTheStoreFails(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	code := b.do("POST", "/oauth/consent", formOf(b.consent(query(client, "read", "/mcp"))))
	to, err := url.Parse(code.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatal(code.Status, to, err)
	}
	if err := b.DB.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect"} {
		resp := b.post("203.0.113.9:1", path, url.Values{"client_id": {client}, "grant_type": {"authorization_code"},
			"code": {to.Query().Get("code")}, "redirect_uri": {clientURI}, "code_verifier": {proofCode}, "token": {"x"},
		}.Encode())
		m := object(t, resp)
		if code, _ := m["error"].(string); resp.StatusCode < 500 ||
			code != "server_error" && code != "temporarily_unavailable" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", path, resp.Status, m)
		}
	}
}

func TestAFloodThatNamesOneClientIsLimited(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	refused := 0
	for i := range oauthPerClient + 100 {
		resp := b.post(fmt.Sprintf("203.0.113.%d:1", i%200), "/oauth/token", "grant_type=refresh_token&client_id="+client)
		if m := object(t, resp); resp.StatusCode == http.StatusTooManyRequests {
			refused++
			if m["error"] != "temporarily_unavailable" || resp.Header.Get("Retry-After") == "" {
				t.Fatal(m, resp.Header)
			}
		}
	}
	if refused == 0 || refused > 100 {
		t.Errorf("%d of %d are refused", refused, oauthPerClient+100)
	}
	other := b.post("203.0.113.9:1", "/oauth/token", "grant_type=refresh_token&client_id=mmc_x")
	if other.StatusCode != 401 {
		t.Errorf("another client: %s", other.Status)
	}
}

// Each of them can make this server fetch what a stranger names.
func TestPagesOfSignInTakeATurnOfTheirSource(t *testing.T) {
	for path, method := range map[string]string{"/oauth/login": "POST", "/oauth/consent": "POST",
		"/oauth/callback": "GET", "/oauth/login/corp": "GET", "/oauth/authorize": "GET"} {
		b, _ := newOAuth(t)
		refused := 0
		for range oauthPerMinute + 50 {
			if b.ask("203.0.113.9:1", method, path, "query=client_id%3Dx").StatusCode == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused == 0 || refused > 50 {
			t.Errorf("%s: %d are refused", path, refused)
		}
	}
}

// The budget of bodies is that of a principal, however it proves itself.
func TestABodyOfMCPCountsForWhoHoldsTheToken(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	got := b.redeem(client, b.do("POST", "/oauth/consent", formOf(b.consent(query(client, "read", "/mcp")))))
	rest := b.redeem(client, b.do("POST", "/oauth/consent", formOf(b.consent(query(client, "read", "/v1")))))
	token, _ := got["access_token"].(string)
	other, _ := rest["access_token"].(string)
	for secret, want := range map[string]string{token: "agent:bot", other: "", token + "x": "", "": ""} {
		r := httptest.NewRequest("POST", "/mcp", http.NoBody)
		if secret != "" {
			r.Header.Set("Authorization", "Bearer "+secret)
		}
		if id := (&mcpBody{s: b.s, r: r}).owner(); id != want {
			t.Errorf("%q, want %q", id, want)
		}
	}
}

func TestTheConsentPageNamesClientHostAgentMailboxesAndScopes(t *testing.T) {
	b, _ := newOAuth(t)
	page := b.consent(query(b.register(), "read send", "/mcp"))
	for _, part := range []string{"Some &lt;b&gt;client&lt;/b&gt;", "<strong>client.test</strong>", "as the agent bot",
		bot, `value="read"`, `value="send"`} {
		if !strings.Contains(page, part) {
			t.Errorf("no %q in\n%s", part, page)
		}
	}
}
