package httpd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

const (
	clientURI = "https://client.test/callback"
	proofCode = "a-code-verifier-of-at-least-forty-three-characters"
)

// browser is somebody in front of one: it keeps the cookies of the server.
type browser struct {
	*fixture
	jar map[string]string
}

// granted verifies the tokens of our own server.
type granted struct{ *authserver.Server }

func (g granted) Verify(ctx context.Context, raw string) (registry.Token, error) {
	a, err := g.Read(ctx, raw)
	return a.Token, err
}

// provider is an issuer at which everybody who has a code signs in.
type provider struct {
	who   mail.Person
	began []string // state, nonce and verifier
}

func (p *provider) Issuer() string { return "corp" }

func (p *provider) Start(_ context.Context, state, nonce, verifier string) (string, error) {
	p.began = []string{state, nonce, verifier}
	return "https://corp.test/authorize?state=" + state, nil
}

func (p *provider) Finish(
	_ context.Context, answer url.Values, nonce, verifier string,
) (mail.Person, []string, string, error) {
	if answer.Get("code") != "good" || nonce != p.began[1] || verifier != p.began[2] {
		return mail.Person{}, nil, "", errors.New("not the code")
	}
	return p.who, nil, "Anna <anna@corp.test>", nil
}

func newOAuth(t *testing.T) (*browser, *provider) {
	t.Helper()
	h := newFixture(t)
	p := &provider{who: mail.Person{Issuer: "corp", ID: "anna"}}
	o := h.s.o
	o.OAuth.Logins = []Login{p}
	o.Auth = registry.NewAuthenticator(h.DB, h.Registry, granted{o.OAuth.Server})
	o.MCP = func(dial func(string) api.Caller) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, _ := api.PresentedKey(r.Header)
			who, err := api.Call(r.Context(), dial(key), api.Whoami, api.None{})
			if err != nil {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, who.Name)
		})
	}
	var err error
	if h.s, err = New(o); err != nil {
		t.Fatal(err)
	}
	return &browser{h, map[string]string{}}, p
}

// do makes a request as a browser would, or a client without cookies where b is nil.
func (b *browser) do(method, target string, body url.Values, header ...string) *http.Response {
	var text io.Reader = http.NoBody
	if body != nil {
		text = strings.NewReader(body.Encode())
	}
	r := httptest.NewRequest(method, target, text)
	r.Host = "mail.example.test"
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.s.Handler().ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" ||
			c.SameSite != http.SameSiteLaxMode {
			b.t.Errorf("the cookie %v", c)
		}
		if b.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return resp
}

func text(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

func object(t *testing.T, resp *http.Response) (m map[string]any) {
	t.Helper()
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// register registers a public client.
func (b *browser) register() string {
	b.t.Helper()
	r := httptest.NewRequest("POST", "/oauth/register", strings.NewReader(
		`{"redirect_uris":["`+clientURI+`"],"client_name":"Some <b>client</b>","token_endpoint_auth_method":"none"}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site") // a page may do it
	w := httptest.NewRecorder()
	b.s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		b.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return object(b.t, w.Result())["client_id"].(string)
}

// query asks for a resource.
func query(client, scope, resource string) string {
	sum := sha256.Sum256([]byte(proofCode))
	return url.Values{"client_id": {client}, "response_type": {"code"}, "redirect_uri": {clientURI}, "state": {"s<1>"},
		"scope": {scope}, "code_challenge_method": {"S256"}, "resource": {publicURL + resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}.Encode()
}

var field = regexp.MustCompile(`name="(query|proof|offer)" value="([^"]*)"`)

// formOf reads the first form of a consent page.
func formOf(page string) url.Values {
	out := url.Values{"scopes": nil, "decision": {"allow"}}
	for _, m := range field.FindAllStringSubmatch(page, -1) {
		if !out.Has(m[1]) {
			out.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+", "&lt;", "<", "&#34;", `"`).Replace(m[2]))
		}
	}
	for _, m := range regexp.MustCompile(`name="scopes" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		out.Add("scopes", m[1])
	}
	return out
}

// consent signs in at the issuer and returns the consent page.
func (b *browser) consent(q string) (page string) {
	b.t.Helper()
	resp := b.do("GET", "/oauth/login/corp?query="+url.QueryEscape(q), nil)
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host != "corp.test" {
		b.t.Fatal(resp.Status, to, text(resp))
	}
	resp = b.do("GET", "/oauth/callback?code=good&state="+to.Query().Get("state"), nil)
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatal(resp.Status, text(resp))
	}
	resp = b.do("GET", resp.Header.Get("Location"), nil)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatal(resp.Status, text(resp))
	}
	return text(resp)
}

// redeem redeems the code of an answer.
func (b *browser) redeem(client string, resp *http.Response) map[string]any {
	b.t.Helper()
	to, err := url.Parse(resp.Header.Get("Location"))
	q := to.Query()
	if err != nil || q.Get("code") == "" || q.Get("iss") != publicURL || q.Get("state") != "s<1>" {
		b.t.Fatal(resp.Status, to, text(resp))
	}
	return object(b.t, (&browser{b.fixture, nil}).do("POST", "/oauth/token", url.Values{"client_id": {client},
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {clientURI},
		"code_verifier": {proofCode}}))
}

func TestFromNothingButAnAddressToAToken(t *testing.T) {
	b, _ := newOAuth(t)
	resp := b.do("POST", "/mcp", nil)
	challenge := resp.Header.Get("WWW-Authenticate")
	where := regexp.MustCompile(`resource_metadata="` + publicURL + `([^"]*)"`).FindStringSubmatch(challenge)
	if resp.StatusCode != 401 || where == nil || !strings.Contains(challenge, `scope="read send"`) {
		t.Fatal(resp.Status, resp.Header)
	}
	resource := object(t, b.do("GET", where[1], nil))
	if resource["resource"] != publicURL+"/mcp" || resource["authorization_servers"].([]any)[0] != publicURL {
		t.Errorf("%v", resource)
	}
	server := object(t, b.do("GET", "/.well-known/oauth-authorization-server", nil))
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "registration_endpoint", "jwks_uri",
		"revocation_endpoint", "introspection_endpoint"} {
		if s, _ := server[name].(string); !strings.HasPrefix(s, publicURL+"/oauth/") {
			t.Errorf("%s is %v", name, server[name])
		}
	}
	client := b.register()
	q := query(client, "read send", "/mcp")
	page := b.consent(q)
	for _, want := range []string{"Some &lt;b&gt;client", "client.test", "bot", "Anna &lt;anna@corp.test",
		"It has introduced itself"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	got := b.redeem(client, b.do("POST", "/oauth/consent", formOf(page)))
	access, _ := got["access_token"].(string)
	if got["scope"] != "read send" || access == "" {
		t.Fatalf("%v", got)
	}
	resp = b.do("POST", "/mcp", nil, "Authorization", "Bearer "+access)
	if resp.StatusCode != 200 || text(resp) != "bot" {
		t.Errorf("at its resource: %s", resp.Status)
	}
	resp = b.do("GET", "/v1/whoami", nil, "Authorization", "Bearer "+access)
	if resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("at another resource: %s %s", resp.Status, resp.Header)
	}
}

func TestAClientIsToldWhichScopesAreMissing(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	got := b.redeem(client, b.do("POST", "/oauth/consent", formOf(b.consent(query(client, "read", "/v1")))))
	bearer := []string{"Authorization", "Bearer " + got["access_token"].(string), "Content-Type", "application/json"}
	resp := b.do("POST", "/v1/mailboxes/"+bot+"/send", nil, bearer...)
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != 403 || !strings.Contains(challenge, `error="insufficient_scope"`) ||
		!strings.Contains(challenge, `scope="read send"`) || !strings.Contains(challenge, pathResource+"/v1") {
		t.Errorf("%s %s", resp.Status, challenge)
	}
	resp = b.do("POST", "/v1/oversight/decide", nil, bearer...) // no scope of an agent would do
	if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 403 || challenge != "" {
		t.Errorf("%s %s", resp.Status, challenge)
	}
}

func TestAnAdminSignsInWithItsKeyAndNobodyElse(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	q := query(client, "read send", "/mcp")
	page := text(b.do("GET", "/oauth/authorize?"+q, nil))
	if !strings.Contains(page, `name="key"`) || !strings.Contains(page, "Sign in with corp") {
		t.Fatal(page)
	}
	for _, name := range []string{"sender", "approver", "watcher", "nobody"} {
		resp := b.do("POST", "/oauth/login", url.Values{"query": {q}, "key": {b.keys[name]}})
		if resp.StatusCode == http.StatusSeeOther || b.jar[sessionCookie] != "" {
			t.Errorf("%s signs in: %s", name, resp.Status)
		}
	}
	resp := b.do("POST", "/oauth/login", url.Values{"query": {q}, "key": {b.keys["admin"]}})
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatal(resp.Status, text(resp))
	}
	page = text(b.do("GET", resp.Header.Get("Location"), nil))
	form := formOf(page)
	form.Set("offer", "agent:bot")
	if got := b.redeem(client, b.do("POST", "/oauth/consent", form)); got["scope"] != "read send" {
		t.Errorf("%v", got)
	}
}

func TestConsentIsOfOneSessionAndOneForm(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	q := query(client, "read send", "/mcp")
	form := formOf(b.consent(q))
	stranger := &browser{b.fixture, map[string]string{}}
	if resp := stranger.do("POST", "/oauth/consent", form); resp.StatusCode != 400 {
		t.Errorf("without a session: %s", resp.Status)
	}
	stranger.consent(q)
	if resp := stranger.do("POST", "/oauth/consent", form); resp.StatusCode != 400 {
		t.Errorf("in another session: %s", resp.Status)
	}
	if resp := b.do("POST", "/oauth/consent", form, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Errorf("from another site: %s", resp.Status)
	}
	jar := b.jar[sessionCookie]
	b.redeem(client, b.do("POST", "/oauth/consent", form))
	b.jar[sessionCookie] = jar // sent twice, before the first answer came
	if resp := b.do("POST", "/oauth/consent", form); resp.StatusCode != 400 {
		t.Errorf("a second time: %s", resp.Status)
	}
	if page := text(b.do("GET", "/oauth/authorize?"+q, nil)); !strings.Contains(page, `name="key"`) {
		t.Error("the session asks for consent again after it was given")
	}
	b.consent(q)
	jar = b.jar[sessionCookie]
	other := text(b.do("GET", "/oauth/authorize?"+query(client, "read", "/mcp"), nil))
	if !strings.Contains(other, `name="key"`) {
		t.Error("a sign-in for one request is one for another")
	}
	form.Set("decision", "deny")
	resp := b.do("POST", "/oauth/consent", form)
	b.jar[sessionCookie] = jar
	if page := text(b.do("GET", "/oauth/authorize?"+q, nil)); !strings.Contains(page, `name="key"`) {
		t.Error("the session asks for consent again after it was refused")
	}
	to, _ := url.Parse(resp.Header.Get("Location"))
	if to.Query().Get("error") != "access_denied" || to.Query().Has("code") {
		t.Errorf("refused: %s %s", resp.Status, to)
	}
}

func TestPagesOfConsentAreClosed(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	q := query(client, "read send", "/mcp")
	b.consent(q)
	for _, target := range []string{"/oauth/authorize?" + q, "/oauth/authorize?client_id=x"} {
		resp := b.do("GET", target, nil)
		rules := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'",
			"form-action 'self'"} {
			if !strings.Contains(rules, want) {
				t.Errorf("%s: %s", target, rules)
			}
		}
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Frame-Options") != "DENY" ||
			strings.Contains(text(resp), "<script") {
			t.Errorf("%s: %v", target, resp.Header)
		}
	}
	before := len(b.entries())
	for range 3 { // loaded ahead, it grants nothing
		b.do("GET", "/oauth/authorize?"+q, nil, "Sec-Purpose", "prefetch")
	}
	if n := len(b.entries()); n != before {
		t.Errorf("%d entries", n-before)
	}
}

// A scope that is not described apart would be shown as another one.
func TestTheConsentPageDescribesEveryScope(t *testing.T) {
	b, _ := newOAuth(t)
	described := map[string]string{}
	for _, scope := range authserver.ScopeNames() {
		w := httptest.NewRecorder()
		b.s.show(w, http.StatusOK, "consent", consentPage{Offers: []authserver.Offer{{Kind: registry.KindAdmin,
			Owner: "root", Scopes: []registry.Scope{registry.Scope(scope)}}}}, "")
		_, rest, ok := strings.Cut(w.Body.String(), `value="`+scope+`" checked>`)
		words, _, closed := strings.Cut(rest, "</label>")
		if words = strings.Join(strings.Fields(words), " "); !ok || !closed || described[words] != "" {
			t.Errorf("%s is described as %q, and so is %q", scope, words, described[words])
		}
		described[words] = scope
	}
	resource := text(b.do("GET", "/.well-known/oauth-protected-resource/mcp", nil))
	if len(described) != 7 || !strings.Contains(resource, `"audit_read"`) || !strings.Contains(resource, `"tighten"`) {
		t.Errorf("%v; %s", described, resource)
	}
}

func TestASignInIsOfTheBrowserThatBeganIt(t *testing.T) {
	b, p := newOAuth(t)
	q := query(b.register(), "read", "/mcp")
	b.do("GET", "/oauth/login/corp?query="+url.QueryEscape(q), nil)
	state := p.began[0]
	for name, target := range map[string]string{
		"another state": "/oauth/callback?code=good&state=x", "no state": "/oauth/callback?code=good",
		"no code": "/oauth/callback?state=" + state, "two states": "/oauth/callback?code=good&state=" + state + "&state=x",
		"a wrong code": "/oauth/callback?code=bad&state=" + state,
	} {
		try := &browser{b.fixture, map[string]string{loginCookie: b.jar[loginCookie]}}
		if resp := try.do("GET", target, nil); resp.StatusCode/100 != 4 || try.jar[sessionCookie] != "" {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	stranger := &browser{b.fixture, map[string]string{}}
	if resp := stranger.do("GET", "/oauth/callback?code=good&state="+state, nil); resp.StatusCode != 400 {
		t.Errorf("another browser: %s", resp.Status)
	}
}

func TestWhoMayGrantNothingGetsNoConsentPage(t *testing.T) {
	b, p := newOAuth(t)
	p.who.ID = "ben"
	q := query(b.register(), "read", "/mcp")
	b.do("GET", "/oauth/login/corp?query="+url.QueryEscape(q), nil)
	b.do("GET", "/oauth/callback?code=good&state="+p.began[0], nil)
	jar := b.jar[sessionCookie]
	resp := b.do("GET", "/oauth/authorize?"+q, nil)
	if to, _ := url.Parse(resp.Header.Get("Location")); to.Query().Get("error") != "access_denied" {
		t.Errorf("%s %s", resp.Status, text(resp))
	}
	if b.jar[sessionCookie] != "" {
		t.Error("the session goes on")
	}
	b.jar[sessionCookie] = jar
	if page := text(b.do("GET", "/oauth/authorize?"+q, nil)); !strings.Contains(page, `name="key"`) {
		t.Error("the session goes on with its cookie")
	}
}

func TestBadRequestsToTheTokenEndpoint(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	for name, tt := range map[string]struct {
		body   string
		header []string
		status int
		code   string
	}{
		"no form": {`{"grant_type":"authorization_code"}`, []string{"Content-Type", "application/json"}, 400,
			"invalid_request"},
		"a name twice":    {"grant_type=authorization_code&grant_type=x", nil, 400, "invalid_request"},
		"no client":       {"grant_type=authorization_code", nil, 401, "invalid_client"},
		"no grant type":   {"client_id=" + client, nil, 400, "unsupported_grant_type"},
		"password":        {"grant_type=password&client_id=" + client, nil, 400, "unsupported_grant_type"},
		"a secret of it":  {"grant_type=refresh_token&client_id=" + client + "&client_secret=x", nil, 401, "invalid_client"},
		"proved twice":    {"client_id=other", []string{"Authorization", "Basic eDp5"}, 400, "invalid_request"},
		"too long a body": {"grant_type=" + strings.Repeat("x", maxForm+1), nil, 413, ""},
	} {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		w := httptest.NewRecorder()
		b.s.Handler().ServeHTTP(w, r)
		m := object(t, w.Result())
		if code, _ := m["error"].(string); w.Code != tt.status || tt.code != "" && code != tt.code {
			t.Errorf("%s: %d %v", name, w.Code, m)
		}
	}
}

func TestAFloodOfRegistrationsOfOneSourceIsLimited(t *testing.T) {
	b, _ := newOAuth(t)
	refused := 0
	for range 100 {
		r := httptest.NewRequest("POST", "/oauth/register", strings.NewReader(`{"redirect_uris":["`+clientURI+`"]}`))
		r.RemoteAddr = "203.0.113.9:1234"
		w := httptest.NewRecorder()
		b.s.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "" {
			refused++
		}
	}
	if refused < 80 {
		t.Errorf("%d of 100 are refused", refused)
	}
}
