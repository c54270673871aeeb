//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// program is a client of OAuth that its operator has given an id and a redirect URI by hand.
type program struct {
	*daemon
	id, secret, back string
	method           string
	key              *ecdsa.PrivateKey // of private_key_jwt
	scope            string
}

// programOf adds one on the command line.
func (h *daemon) programOf(method, back string, args ...string) *program {
	h.t.Helper()
	p := &program{daemon: h, method: method, back: back, scope: "read send"}
	args = append([]string{"client", "add", "Studio", "--method", method, "--json"}, args...)
	if back != "" {
		args = append(args, "--redirect", back)
	}
	if method == "private_key_jwt" {
		p.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		args = append(args, "--jwks", write(h.t, "jwks.json", encode(h.t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: p.key.Public(), KeyID: "k"}}})))
	}
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	decode(h.t, h.must(args...), &c)
	p.id, p.secret = c.ID, c.Secret
	return p
}

// unfollowed answers with redirects as they are.
var unfollowed = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}}

// form sends a form, or gets a page where there is none, and returns its text.
func (p *program) form(method, path string, form url.Values, header ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.dev.HTTP+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := unfollowed.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(b)
}

var hidden = regexp.MustCompile(`name="(query|proof|offer|scopes)" value="([^"]*)"`)

const codeVerifier = "a-code-verifier-of-at-least-forty-three-characters"

// code is the code that an admin's consent brings for a resource: by its forms, where a browser
// would be kept from the address of the client.
func (p *program) code(resource string) string {
	p.t.Helper()
	sum := sha256.Sum256([]byte(codeVerifier))
	query := url.Values{"client_id": {p.id}, "response_type": {"code"}, "redirect_uri": {p.back}, "state": {"s"},
		"scope": {p.scope}, "resource": {p.dev.HTTP + resource}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}.Encode()
	resp, said := p.form("POST", "/oauth/login", url.Values{"query": {query}, "key": {p.dev.AdminKey}})
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 {
		p.t.Fatal(resp.Status, said)
	}
	cookie := []string{"Cookie", resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value}
	_, page := p.form("GET", resp.Header.Get("Location"), nil, cookie...)
	answer, offered := url.Values{"decision": {"allow"}}, false
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		name, value := m[1], html.UnescapeString(m[2])
		if name == "offer" { // the first one is that of the agent
			if offered = answer.Has("offer"); offered {
				break
			}
		}
		answer.Add(name, value)
		if name != "scopes" {
			answer.Set(name, value)
		}
	}
	if answer.Get("offer") != "agent:"+p.dev.Username {
		p.t.Fatalf("%v of\n%s", answer, page)
	}
	resp, said = p.form("POST", "/oauth/consent", answer, cookie...)
	to := resp.Header.Get("Location")
	if !strings.HasPrefix(to, p.back+"?") || param(p.t, to, "state") != "s" || param(p.t, to, "iss") != p.dev.HTTP {
		p.t.Fatal(resp.Status, to, said)
	}
	return param(p.t, to, "code")
}

// assertion is a new one, signed.
func (p *program) assertion() string {
	p.t.Helper()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": p.id, "sub": p.id, "aud": p.dev.HTTP,
		"jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
	t.Header["kid"] = "k"
	s, err := t.SignedString(p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// token asks the token endpoint, proved by the client's method.
func (p *program) token(form url.Values) (status int, access, refresh string) {
	p.t.Helper()
	var header []string
	switch p.method {
	case "client_secret_basic":
		header = []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(p.id+":"+p.secret))}
	case "client_secret_post":
		form.Set("client_id", p.id)
		form.Set("client_secret", p.secret)
	case "private_key_jwt":
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", p.assertion())
	}
	resp, said := p.form("POST", "/oauth/token", form, header...)
	var t struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	decode(p.t, said, &t)
	return resp.StatusCode, t.Access, t.Refresh
}

// redeem redeems a code.
func (p *program) redeem(code string) (status int, access, refresh string) {
	return p.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.back},
		"code_verifier": {codeVerifier}})
}

// works has a token for /mcp call a tool, and one for /v1 an operation, in each case to send.
func (p *program) works(mcpToken, restToken string) {
	p.t.Helper()
	subject := "by " + p.method + " " + rand.Text()
	p.mcp(mcpToken).held(subject+" of a tool", nil)
	key := p.dev.AgentKey
	p.dev.AgentKey = restToken
	status, said := p.http("POST", "/v1/send", `{"to":["to@dest.test"],"subject":"`+subject+` of REST","markdown":"Hi."}`)
	if p.dev.AgentKey = key; status != 202 {
		p.t.Errorf("%s: %d %s", p.method, status, said)
	}
	for name, door := range map[string]string{" of a tool": "mcp", " of REST": "http"} {
		if m := p.only(subject + name); m.Agent != p.dev.Username || m.Door != door {
			p.t.Errorf("%s: pending shows %+v", p.method, m)
		}
	}
}

// A connection of Copilot Studio that its maker sets up by hand has an id, a secret, and a
// redirect URI of its own.
func TestAClientAddedByHandProvesItselfAndActs(t *testing.T) {
	h := start(t)
	for _, method := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt"} {
		t.Run(method, func(t *testing.T) {
			h := h.in(t)
			one := h.programOf(method, "https://global.consent.azure-apim.net/redirect/multimail-1")
			two := h.programOf(method, "https://global.consent.azure-apim.net/redirect/multimail-2")
			_, mcpToken, refresh := one.redeem(one.code("/mcp"))
			_, restToken, _ := one.redeem(one.code("/v1"))
			one.works(mcpToken, restToken)
			_, mcpToken, _ = one.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			one.works(mcpToken, restToken)
			// What is of one connection is nothing to the other.
			code := one.code("/mcp")
			if status, access, _ := two.redeem(code); status != 400 || access != "" {
				t.Errorf("the code of another connection: %d", status)
			}
			moved := *two
			moved.back = one.back
			resp, said := two.form("GET", "/oauth/authorize?"+url.Values{"client_id": {two.id}, "response_type": {"code"},
				"redirect_uri": {one.back}, "code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("A", 43)},
			}.Encode(), nil)
			if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
				t.Errorf("the redirect URI of another connection: %s %s", resp.Status, said)
			}
			if one.secret != "" {
				old := *one
				one.secret = strings.TrimSpace(h.must("client", "rotate", one.id))
				if status, _, _ := old.redeem(code); status != 401 {
					t.Errorf("the secret of before: %d", status)
				}
			}
			if status, access, _ := one.redeem(code); status != 200 || access == "" {
				t.Errorf("the client itself: %d", status)
			}
			h.must("client", "rm", one.id)
			h.dev.AgentKey = restToken
			if status, _ := h.http("GET", "/v1/mailboxes", ""); status != 401 {
				t.Errorf("a token outlives its client: %d", status)
			}
		})
	}
}

// An agent without a person in front of it.
func TestAClientActsForItselfByCredentialsOfItsOwn(t *testing.T) {
	h := start(t)
	var tokens []string
	form := func() url.Values { return url.Values{"grant_type": {"client_credentials"}} }
	var last *program
	for _, resource := range []string{"/mcp", "/v1"} {
		last = h.programOf("private_key_jwt", "", "--agent", h.dev.Username, "--scope", "read", "--scope", "send",
			"--resource", h.dev.HTTP+resource)
		status, access, refresh := last.token(form())
		if status != 200 || access == "" || refresh != "" {
			t.Fatalf("%s: %d, a refresh token: %t", resource, status, refresh != "")
		}
		tokens = append(tokens, access)
	}
	last.works(tokens[0], tokens[1])
	list := h.must("grant", "list")
	if strings.Count(list, " operator ") != 2 || !slices.ContainsFunc(strings.Split(list, "\n"), func(line string) bool {
		return strings.Contains(line, last.id) && strings.Contains(line, h.dev.HTTP+"/v1")
	}) {
		t.Errorf("the grants are\n%s", list)
	}
	for line := range strings.Lines(list) {
		if strings.Contains(line, last.id) {
			h.must("grant", "revoke", strings.Fields(line)[0])
		}
	}
	h.dev.AgentKey = tokens[1]
	if status, _ := h.http("GET", "/v1/mailboxes", ""); status != 401 {
		t.Errorf("the token outlives its grant: %d", status)
	}
	if status, access, _ := last.token(form()); status != 400 || access != "" {
		t.Errorf("the client gets another one: %d", status)
	}
	if m := h.mcp(tokens[0]).call("list_mailboxes", nil); m.failed {
		t.Errorf("the grant of the other client ends too: %+v", m)
	}
}
