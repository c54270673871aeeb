package httpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// program is a client of the operator, and how it proves itself.
type program struct {
	*browser
	id, secret string
	method     authserver.Method
	key        *ecdsa.PrivateKey
	n          int // assertions made
}

// programOf adds a client; one with private_key_jwt has a key.
func (b *browser) programOf(method authserver.Method, own bool, resource string) *program {
	b.t.Helper()
	p := &program{browser: b, method: method}
	q := authserver.NewClient{Name: "Program", Redirects: []string{clientURI}, Method: method}
	if method == authserver.MethodSigned {
		p.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		q.Keys, _ = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k"}}})
	}
	if own {
		q.Redirects, q.Agent, q.Resource = nil, "bot", resource
		q.Scopes = []registry.Scope{registry.ScopeRead, registry.ScopeSend}
	}
	b.Update(func(tx store.Tx) error {
		c, secret, err := b.s.o.OAuth.Server.AddClient(tx, b.Operator, q)
		p.id, p.secret = c.ID, secret
		return err
	})
	return p
}

// basic is a pair in the Authorization field, each part as a form has it (RFC 6749, section
// 2.3.1).
func basic(id, secret string) []string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}

// percent writes every octet of a text as %XX, which a form may.
func percent(text string) (out string) {
	for _, c := range []byte(text) {
		out += fmt.Sprintf("%%%02X", c)
	}
	return out
}

// assertion is a new assertion of the client.
func (p *program) assertion() string {
	p.t.Helper()
	p.n++
	now := p.clock.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": p.id, "sub": p.id, "aud": publicURL,
		"jti": fmt.Sprintf("%s-%d", p.id, p.n), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	t.Header["kid"] = "k"
	s, err := t.SignedString(p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// ask asks an endpoint as the client, proved by its method.
func (p *program) ask(path string, form url.Values) *http.Response {
	p.t.Helper()
	form, header := cloneForm(form), []string(nil)
	switch p.method {
	case authserver.MethodBasic:
		header = basic(p.id, p.secret)
	case authserver.MethodPost:
		form.Set("client_id", p.id)
		form.Set("client_secret", p.secret)
	case authserver.MethodSigned: // which names the client
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", p.assertion())
	default:
		form.Set("client_id", p.id)
	}
	return (&browser{p.fixture, nil}).do("POST", path, form, header...)
}

func cloneForm(form url.Values) url.Values {
	out := url.Values{}
	for name, values := range form {
		out[name] = values
	}
	return out
}

// tokens reads the answer of the token endpoint.
func (p *program) tokens(resp *http.Response) (access, refresh string) {
	p.t.Helper()
	m := object(p.t, resp)
	access, _ = m["access_token"].(string)
	refresh, _ = m["refresh_token"].(string)
	if resp.StatusCode != 200 || access == "" || m["token_type"] != "Bearer" || m["scope"] != "read send" ||
		resp.Header.Get("Cache-Control") != "no-store" {
		p.t.Fatalf("%s: %s %v", p.method, resp.Status, m)
	}
	return access, refresh
}

// consented goes the way of a person and returns the form that redeems the code.
func (p *program) consented(resource string) url.Values {
	p.t.Helper()
	resp := p.do("POST", "/oauth/consent", formOf(p.consent(query(p.id, "read send", resource))))
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		p.t.Fatal(resp.Status, to, err)
	}
	return url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")},
		"redirect_uri": {clientURI}, "code_verifier": {proofCode}}
}

// good checks that a token is good for one resource and not for the other.
func (p *program) good(access, resource string) {
	p.t.Helper()
	bearer := []string{"Authorization", "Bearer " + access}
	client := &browser{p.fixture, nil}
	for path, got := range map[string]*http.Response{
		"/mcp": client.do("POST", "/mcp", nil, bearer...), "/v1": client.do("GET", "/v1/mailboxes", nil, bearer...)} {
		want, says := 401, ""
		if path == resource {
			want, says = 200, "bot"
		}
		if body := text(got); got.StatusCode != want || !strings.Contains(body, says) {
			p.t.Errorf("%s, a token for %s at %s: %s %s", p.method, resource, path, got.Status, body)
		}
	}
}

func TestAClientOfEachMethodGetsTokensThatCallToolsAndTheAPI(t *testing.T) {
	for _, method := range authserver.Methods {
		for _, resource := range []string{"/mcp", "/v1"} {
			b, _ := newOAuth(t)
			p := b.programOf(method, false, "")
			access, refresh := p.tokens(p.ask("/oauth/token", p.consented(resource)))
			p.good(access, resource)
			access, next := p.tokens(p.ask("/oauth/token", url.Values{"grant_type": {"refresh_token"},
				"refresh_token": {refresh}}))
			if p.good(access, resource); next == "" || next == refresh {
				t.Errorf("%s: the refresh token is not a new one", method)
			}
		}
	}
}

func TestAClientWithoutAPersonGetsTokensByClientCredentials(t *testing.T) {
	for _, resource := range []string{"/mcp", "/v1"} {
		b, _ := newOAuth(t)
		p := b.programOf(authserver.MethodSigned, true, publicURL+resource)
		form := url.Values{"grant_type": {"client_credentials"}}
		access, refresh := p.tokens(p.ask("/oauth/token", form))
		if p.good(access, resource); refresh != "" {
			t.Error("it gets a refresh token")
		}
		form.Set("scope", "read")
		m := object(t, p.ask("/oauth/token", form))
		if m["scope"] != "read" {
			t.Errorf("fewer scopes: %v", m)
		}
		for name, value := range map[string]string{"scope": "oversight", "resource": "https://other.test/mcp"} {
			form := url.Values{"grant_type": {"client_credentials"}, name: {value}}
			if resp := p.ask("/oauth/token", form); resp.StatusCode != 400 {
				t.Errorf("%s %s: %s", name, value, resp.Status)
			}
		}
		once := p.assertion()
		for i, want := range []int{200, 401} { // the same one twice
			form := url.Values{"grant_type": {"client_credentials"}, "client_assertion": {once},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
			if resp := (&browser{b.fixture, nil}).do("POST", "/oauth/token", form); resp.StatusCode != want {
				t.Errorf("use %d of an assertion: %s", i+1, resp.Status)
			}
		}
	}
	b, _ := newOAuth(t)
	for _, method := range []authserver.Method{authserver.MethodBasic, authserver.MethodPost, authserver.MethodNone} {
		p := b.programOf(method, false, "")
		resp := p.ask("/oauth/token", url.Values{"grant_type": {"client_credentials"}})
		if m := object(t, resp); resp.StatusCode != 400 || m["error"] != "unauthorized_client" {
			t.Errorf("%s: %s %v", method, resp.Status, m)
		}
	}
}

// Each wrong proof is refused alike, and costs the client neither its code nor its token.
func TestAProofThatIsNotTheClientsIsRefused(t *testing.T) {
	b, _ := newOAuth(t)
	inBasic, inForm := b.programOf(authserver.MethodBasic, false, ""), b.programOf(authserver.MethodPost, false, "")
	signed, public := b.programOf(authserver.MethodSigned, false, ""), b.programOf(authserver.MethodNone, false, "")
	type try struct {
		form   url.Values
		header []string
		status int
	}
	secret := func(id, secret string) url.Values { return url.Values{"client_id": {id}, "client_secret": {secret}} }
	asserted := func(id, kind, assertion string) url.Values {
		return url.Values{"client_id": {id}, "client_assertion_type": {kind}, "client_assertion": {assertion}}
	}
	const bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	form := inBasic.consented("/mcp")
	for name, tt := range map[string]try{
		"no secret":              {url.Values{"client_id": {inBasic.id}}, nil, 401},
		"an empty secret":        {nil, basic(inBasic.id, ""), 401},
		"a wrong secret":         {nil, basic(inBasic.id, inBasic.secret+"x"), 401},
		"the secret of another":  {nil, basic(inBasic.id, inForm.secret), 401},
		"the secret in the form": {secret(inBasic.id, inBasic.secret), nil, 401},
		"in both places":         {secret(inBasic.id, inBasic.secret), basic(inBasic.id, inBasic.secret), 400},
		"of two clients":         {url.Values{"client_id": {inForm.id}}, basic(inBasic.id, inBasic.secret), 400},
		"half an escape": {nil, []string{"Authorization",
			"Basic " + base64.StdEncoding.EncodeToString([]byte("a%:b%4"))}, 400},
		"of the form in Basic":     {nil, basic(inForm.id, inForm.secret), 401},
		"a wrong one in the form":  {secret(inForm.id, inForm.secret+"x"), nil, 401},
		"a secret of a public one": {secret(public.id, "x"), nil, 401},
		"an unknown client":        {nil, basic("mmc_unknown", inBasic.secret), 401},
		"no assertion":             {url.Values{"client_id": {signed.id}}, nil, 401},
		"an assertion of no type":  {asserted(signed.id, "", signed.assertion()), nil, 401},
		"of another type":          {asserted(signed.id, bearer+"x", signed.assertion()), nil, 401},
		"for another client":       {asserted(inForm.id, bearer, signed.assertion()), nil, 401},
		"no assertion at all":      {asserted(signed.id, bearer, "x.y.z"), nil, 401},
		"an assertion and Basic":   {asserted("", bearer, signed.assertion()), basic(signed.id, "x"), 400},
	} {
		q := cloneForm(form)
		for name, values := range tt.form {
			q[name] = values
		}
		resp := (&browser{b.fixture, nil}).do("POST", "/oauth/token", q, tt.header...)
		m := object(t, resp)
		code := map[int]string{400: "invalid_request", 401: "invalid_client"}[tt.status]
		challenge := resp.Header.Get("WWW-Authenticate")
		if resp.StatusCode != tt.status || m["error"] != code || (tt.status == 401 && tt.header != nil) != (challenge != "") {
			t.Errorf("%s: %s %v %q", name, resp.Status, m, challenge)
		}
	}
	header := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(
		percent(inBasic.id)+":"+percent(inBasic.secret)))}
	resp := (&browser{b.fixture, nil}).do("POST", "/oauth/token", form, header...)
	inBasic.tokens(resp)
}

func TestAClientRevokesItsTokensAndNoOthers(t *testing.T) {
	for _, method := range authserver.Methods {
		for _, which := range []string{"access", "refresh"} {
			b, _ := newOAuth(t)
			p, other := b.programOf(method, false, ""), b.programOf(method, false, "")
			access, refresh := p.tokens(p.ask("/oauth/token", p.consented("/mcp")))
			token := map[string]string{"access": access, "refresh": refresh}[which]
			revoke := func(by *program, form url.Values) {
				t.Helper()
				if resp := by.ask("/oauth/revoke", form); resp.StatusCode != 200 { // RFC 7009, section 2.2
					t.Errorf("%s: %s %s", method, resp.Status, text(resp))
				}
			}
			revoke(other, url.Values{"token": {token}})
			revoke(p, url.Values{"token": {"unknown"}})
			revoke(p, url.Values{})
			p.good(access, "/mcp")
			revoke(p, url.Values{"token": {token}, "token_type_hint": {"nothing"}})
			revoke(p, url.Values{"token": {token}})
			resp := (&browser{b.fixture, nil}).do("POST", "/mcp", nil, "Authorization", "Bearer "+access)
			if resp.StatusCode != 401 {
				t.Errorf("%s, %s: the token is still good: %s", method, which, resp.Status)
			}
			resp = p.ask("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			if m := object(t, resp); resp.StatusCode != 400 || m["error"] != "invalid_grant" {
				t.Errorf("%s, %s: the refresh token is still good: %s %v", method, which, resp.Status, m)
			}
		}
	}
	b, _ := newOAuth(t)
	p := b.programOf(authserver.MethodBasic, false, "")
	access, _ := p.tokens(p.ask("/oauth/token", p.consented("/mcp")))
	resp := (&browser{b.fixture, nil}).do("POST", "/oauth/revoke", url.Values{"token": {access}}, basic(p.id, "x")...)
	if resp.StatusCode != 401 {
		t.Errorf("without a proof: %s", resp.Status)
	}
	p.good(access, "/mcp")
}

func TestAClientLearnsOfItsOwnTokensAlone(t *testing.T) {
	for _, method := range []authserver.Method{authserver.MethodBasic, authserver.MethodPost, authserver.MethodSigned} {
		b, _ := newOAuth(t)
		p, other := b.programOf(method, false, ""), b.programOf(method, false, "")
		access, refresh := p.tokens(p.ask("/oauth/token", p.consented("/v1")))
		asks := func(by *program, token string) map[string]any {
			t.Helper()
			resp := by.ask("/oauth/introspect", url.Values{"token": {token}})
			if resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s %v", method, resp.Status, resp.Header)
			}
			return object(t, resp)
		}
		m := asks(p, access)
		if m["active"] != true || m["scope"] != "read send" || m["client_id"] != p.id || m["aud"] != publicURL+"/v1" ||
			m["iss"] != publicURL || m["sub"] != "agent:bot" || m["exp"] == nil {
			t.Errorf("%s: %v", method, m)
		}
		for name, m := range map[string]map[string]any{"another's": asks(other, access), "unknown": asks(p, "x"),
			"cut": asks(p, access[:len(access)-2]), "none": asks(p, ""), "a key": asks(p, b.keys["sender"]),
			"a refresh token of another": asks(other, refresh)} {
			if len(m) != 1 || m["active"] != false {
				t.Errorf("%s, %s token: %v", method, name, m)
			}
		}
		p.ask("/oauth/revoke", url.Values{"token": {access}})
		if m := asks(p, access); len(m) != 1 || m["active"] != false {
			t.Errorf("%s, revoked: %v", method, m)
		}
	}
	b, _ := newOAuth(t)
	p := b.programOf(authserver.MethodNone, false, "")
	access, _ := p.tokens(p.ask("/oauth/token", p.consented("/mcp")))
	resp := p.ask("/oauth/introspect", url.Values{"token": {access}})
	if m := object(t, resp); resp.StatusCode != 400 || m["error"] != "unauthorized_client" || m["active"] != nil {
		t.Errorf("who has no proof asks: %s %v", resp.Status, m)
	}
}

// What says where tokens come from stands below the root, for the resource that is the default,
// and below the path of each (RFC 9728, section 3.1).
func TestTheMetadataOfEachResourceAreAtTheRootAndAtItsPath(t *testing.T) {
	b, _ := newOAuth(t)
	client := &browser{b.fixture, nil}
	for path, resource := range map[string]string{"": "/mcp", "/mcp": "/mcp", "/v1": "/v1"} {
		resp := client.do("GET", pathResource+path, nil)
		m := object(t, resp)
		servers, _ := m["authorization_servers"].([]any)
		if resp.StatusCode != 200 || m["resource"] != publicURL+resource || len(servers) != 1 || servers[0] != publicURL ||
			fmt.Sprint(m["bearer_methods_supported"]) != "[header]" ||
			!strings.HasPrefix(fmt.Sprint(m["scopes_supported"]), "[read send ") ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") ||
			resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: %s %v %v", path, resp.Status, m, resp.Header)
		}
	}
	for _, path := range []string{"/other", "/mcp/", "/mcp/x", "/v1/whoami"} {
		if resp := client.do("GET", pathResource+path, nil); resp.StatusCode != 404 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	for path, method := range map[string]string{"/mcp": "POST", "/v1/whoami": "GET"} {
		want := `resource_metadata="` + publicURL + pathResource + "/" + strings.Split(path, "/")[1] + `"`
		if got := client.do(method, path, nil).Header.Get("WWW-Authenticate"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
