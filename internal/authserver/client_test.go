package authserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/store"
)

func TestARedirectURIMatchesExactlyButForTheLoopbackPort(t *testing.T) {
	for _, tt := range []struct {
		known, asked string
		want         bool
	}{
		{"https://client.test/callback", "https://client.test/callback", true},
		{"https://client.test/callback", "https://client.test/callback/", false},
		{"https://client.test/callback", "https://client.test/callback?x=1", false},
		{"https://client.test/callback", "https://client.test:443/callback", false},
		{"https://client.test/callback", "https://CLIENT.test/callback", false},
		{"https://client.test/callback", "http://client.test/callback", false},
		{"https://client.test/callback", "https://client.test.evil.test/callback", false},
		{"https://client.test/callback", "https://client.test@evil.test/callback", false},
		{"https://client.test/callback", "https://client.test/%63allback", false},
		{"https://client.test/callback", "https://client.test/x/../callback", false},
		{"https://client.test/callback", "", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", true},
		{"http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true},
		{"http://[::1]/cb", "http://[::1]:4711/cb", true},
		{"http://localhost/cb", "http://localhost:4711/cb", true},
		{"http://localhost/cb", "http://127.0.0.1:4711/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:4711/cb/", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:4711/CB", false},
		{"http://127.0.0.1/cb", "https://127.0.0.1:4711/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:4711@evil.test/cb", false},
		{"http://127.0.0.1/cb", "http://evil@127.0.0.1:4711/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:99999999/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1.evil.test/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:80/cb#x", false},
		{"https://localhost/cb", "https://localhost:4711/cb", false},
	} {
		if got := authserver.MatchRedirect(tt.known, tt.asked); got != tt.want {
			t.Errorf("%q for %q: %t", tt.asked, tt.known, got)
		}
	}
}

func TestARequestThatIsNotGoodIsAnsweredWhereItMayBe(t *testing.T) {
	h := newHouse(t, nil)
	drop := func(name string) func(url.Values) { return func(q url.Values) { q.Del(name) } }
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for name, tt := range map[string]struct {
		change func(url.Values)
		code   string
		told   bool // the client is
	}{
		"unknown client":        {set("client_id", "mmc_unknown"), authserver.InvalidClient, false},
		"no client":             {drop("client_id"), authserver.InvalidClient, false},
		"another redirect":      {set("redirect_uri", callback+"/"), authserver.InvalidRequest, false},
		"empty redirect":        {set("redirect_uri", ""), authserver.InvalidRequest, false},
		"redirect twice":        {func(q url.Values) { q.Add("redirect_uri", callback) }, authserver.InvalidRequest, false},
		"client twice":          {func(q url.Values) { q.Add("client_id", "x") }, authserver.InvalidRequest, false},
		"no response type":      {drop("response_type"), authserver.UnsupportedResponseType, true},
		"implicit":              {set("response_type", "token"), authserver.UnsupportedResponseType, true},
		"fragment":              {set("response_mode", "fragment"), authserver.InvalidRequest, true},
		"no challenge":          {drop("code_challenge"), authserver.InvalidRequest, true},
		"plain":                 {set("code_challenge_method", "plain"), authserver.InvalidRequest, true},
		"no method":             {drop("code_challenge_method"), authserver.InvalidRequest, true},
		"short challenge":       {set("code_challenge", "abc"), authserver.InvalidRequest, true},
		"challenge is no hash":  {set("code_challenge", strings.Repeat("!", 43)), authserver.InvalidRequest, true},
		"another resource":      {set("resource", "https://other.test/mcp"), authserver.InvalidTarget, true},
		"resource by a dot":     {set("resource", origin+"/./mcp"), authserver.InvalidTarget, true},
		"two resources":         {func(q url.Values) { q.Add("resource", origin+"/v1") }, authserver.InvalidTarget, true},
		"unknown scope":         {set("scope", "read everything"), authserver.InvalidScope, true},
		"request object":        {set("request", "x.y.z"), authserver.InvalidRequest, true},
		"request object by URL": {set("request_uri", "https://evil.test/"), authserver.InvalidRequest, true},
		"long state":            {set("state", strings.Repeat("s", 2000)), authserver.InvalidRequest, true},
		"state with line ends":  {set("state", "a\r\nb"), authserver.InvalidRequest, true},
	} {
		_, err := h.server.Begin(t.Context(), h.query("read", tt.change))
		var f *authserver.Failure
		if !errors.As(err, &f) || f.Refusal.Code != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
			continue
		}
		if told := f.Redirect != ""; told != tt.told {
			t.Errorf("%s: the client is told: %t", name, told)
		}
		if tt.told {
			u, err := url.Parse(f.Redirect)
			if err != nil || !strings.HasPrefix(f.Redirect, callback+"?") || u.Query().Get("error") != tt.code ||
				u.Query().Get("iss") != origin || strings.ContainsAny(f.Redirect, "\r\n") {
				t.Errorf("%s: %s %v", name, f.Redirect, err)
			}
		}
	}
	for _, ok := range []func(url.Values){drop("resource"), drop("redirect_uri"), drop("state"), drop("scope"),
		set("resource", origin+"/mcp/"), set("resource", origin+"/v1"), set("scope", "offline_access read")} {
		if _, err := h.server.Begin(t.Context(), h.query("read", ok)); err != nil {
			t.Errorf("a good request: %v", err)
		}
	}
}

func TestAClientProvesItselfByItsOneMethod(t *testing.T) {
	h := newHouse(t, nil)
	for _, method := range []authserver.Method{authserver.MethodBasic, authserver.MethodPost} {
		c, secret := h.add(authserver.NewClient{Redirects: []string{callback}, Method: method})
		basic := method == authserver.MethodBasic
		for name, tt := range map[string]struct {
			proof authserver.Proof
			ok    bool
		}{
			"right":        {authserver.Proof{ID: c.ID, Secret: secret, Basic: basic}, true},
			"other place":  {authserver.Proof{ID: c.ID, Secret: secret, Basic: !basic}, false},
			"none":         {authserver.Proof{ID: c.ID, Basic: basic}, false},
			"wrong":        {authserver.Proof{ID: c.ID, Secret: secret + "x", Basic: basic}, false},
			"of no client": {authserver.Proof{Secret: secret, Basic: basic}, false},
			"of a public":  {authserver.Proof{ID: h.client.ID, Secret: secret, Basic: basic}, false},
			"with another": {authserver.Proof{ID: c.ID, Secret: secret, Basic: basic, Assertion: "x.y.z"}, false},
		} {
			err := h.server.Revoke(t.Context(), tt.proof, "nothing")
			if (err == nil) != tt.ok {
				t.Errorf("%s, %s: %v", method, name, err)
			}
		}
		h.Update(func(tx store.Tx) error { _, err := h.server.RotateClient(tx, h.Operator, c.ID); return err })
		if err := h.server.Revoke(t.Context(), authserver.Proof{ID: c.ID, Secret: secret, Basic: basic}, "x"); err == nil {
			t.Errorf("%s: the old secret is still good", method)
		}
	}
}

func TestARemovedClientLosesItsGrants(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read")
	h.Update(func(tx store.Tx) error { return h.server.RemoveClient(tx, h.Operator, h.client.ID) })
	h.ended(got, "client")
	_, err := h.server.Begin(t.Context(), h.query("read", nil))
	h.refused(err, authserver.InvalidClient)
}

// signer is a client that signs its assertions.
type signer struct {
	*house
	client authserver.Client
	key    *ecdsa.PrivateKey
	kid    string
}

func newSigner(t *testing.T) *signer {
	h := newHouse(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1"}}})
	c, _ := h.add(authserver.NewClient{Method: authserver.MethodSigned, Keys: set, Agent: "bot",
		Scopes: scopes("read send")})
	return &signer{h, c, key, "k1"}
}

// request is a request of the client, with an assertion that change makes another one.
func (s *signer) request(id string, change func(jwt.MapClaims)) authserver.TokenRequest {
	s.Helper()
	now := s.clock.Now()
	c := jwt.MapClaims{"iss": s.client.ID, "sub": s.client.ID, "aud": origin, "jti": id, "iat": now.Unix(),
		"exp": now.Add(time.Minute).Unix()}
	if change != nil {
		change(c)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	token.Header["kid"] = s.kid
	signed, err := token.SignedString(s.key)
	if err != nil {
		s.Fatal(err)
	}
	return authserver.TokenRequest{GrantType: "client_credentials", Proof: authserver.Proof{ID: s.client.ID,
		AssertionType: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", Assertion: signed}}
}

func TestAClientActsForItselfAsTheAgentThatTheOperatorGaveIt(t *testing.T) {
	s := newSigner(t)
	got := s.must(s.request("1", nil))
	p, err := s.who(got.Access)
	if err != nil || p.ID() != "agent:bot" || !p.Identity().Person.IsZero() || got.Refresh != "" {
		t.Errorf("%+v %v", p, err)
	}
	_, err = s.server.Token(t.Context(), s.request("1", nil))
	s.refused(err, authserver.InvalidClient)
	for name, change := range map[string]func(jwt.MapClaims){
		"for another":       func(c jwt.MapClaims) { c["aud"] = origin + "/oauth/token" },
		"for several":       func(c jwt.MapClaims) { c["aud"] = []string{origin, "https://other.test"} },
		"for a list of one": func(c jwt.MapClaims) { c["aud"] = []string{origin} },
		"for no text":       func(c jwt.MapClaims) { c["aud"] = map[string]any{"": origin} },
		"for nobody":        func(c jwt.MapClaims) { delete(c, "aud") },
		"of another":        func(c jwt.MapClaims) { c["iss"] = "mmc_other" },
		"about another":     func(c jwt.MapClaims) { c["sub"] = "mmc_other" },
		"without an id":     func(c jwt.MapClaims) { delete(c, "jti") },
		"without an end":    func(c jwt.MapClaims) { delete(c, "exp") },
		"of a long life":    func(c jwt.MapClaims) { c["exp"] = s.clock.Now().Add(time.Hour).Unix() },
		"over":              func(c jwt.MapClaims) { c["exp"] = s.clock.Now().Add(-time.Minute).Unix() },
		"of another time":   func(c jwt.MapClaims) { c["nbf"] = s.clock.Now().Add(time.Hour).Unix() },
		"of the future too": func(c jwt.MapClaims) { c["exp"] = s.clock.Now().Add(24 * time.Hour).Unix() },
	} {
		_, err := s.server.Token(t.Context(), s.request(name, change))
		if e := authserver.AsError(err); e == nil || e.Code != authserver.InvalidClient {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := *s
	other.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, err = s.server.Token(t.Context(), other.request("foreign", nil))
	s.refused(err, authserver.InvalidClient)
	wide := s.request("wide", nil)
	wide.Scope = "read oversight"
	_, err = s.server.Token(t.Context(), wide)
	s.refused(err, authserver.InvalidScope)
}

func TestOnlyAClientWithAnAgentActsForItself(t *testing.T) {
	h := newHouse(t, nil)
	_, err := h.server.Token(t.Context(), authserver.TokenRequest{GrantType: "client_credentials",
		Proof: authserver.Proof{ID: h.client.ID}})
	h.refused(err, authserver.UnauthorizedClient)
	err = h.DB.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := h.server.AddClient(tx, h.Operator, authserver.NewClient{Method: authserver.MethodNone, Agent: "bot",
			Scopes: scopes("read")})
		return err
	})
	if err == nil {
		t.Error("a client without a key acts for itself")
	}
}

func TestAClientRegistersItselfWhereItsHostIsAllowed(t *testing.T) {
	h := newHouse(t, nil)
	good := authserver.Metadata{Redirects: []string{"https://global.consent.azure-apim.net/redirect/x"}, Name: "Copilot"}
	r, err := h.server.Register(t.Context(), good, "203.0.113.1")
	if err != nil || r.Secret == "" || r.ExpiresAt == nil || *r.ExpiresAt != 0 || r.Method != authserver.MethodBasic {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := h.server.Begin(t.Context(), h.query("read", func(q url.Values) {
		q.Set("client_id", r.ID)
		q.Set("redirect_uri", good.Redirects[0])
	})); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*authserver.Metadata){
		"another host":      func(m *authserver.Metadata) { m.Redirects = []string{"https://evil.test/"} },
		"the bare suffix":   func(m *authserver.Metadata) { m.Redirects = []string{"https://azure-apim.net/"} },
		"a suffix of words": func(m *authserver.Metadata) { m.Redirects = []string{"https://evilazure-apim.net/"} },
		"one of two":        func(m *authserver.Metadata) { m.Redirects = append(m.Redirects, "https://evil.test/") },
		"none":              func(m *authserver.Metadata) { m.Redirects = nil },
		"a scheme":          func(m *authserver.Metadata) { m.Redirects = []string{"javascript:alert(1)"} },
		"http":              func(m *authserver.Metadata) { m.Redirects = []string{"http://client.test/"} },
		"a directive":       func(m *authserver.Metadata) { m.Redirects = []string{"https://*;.azure-apim.net/"} },
		"a turned host":     func(m *authserver.Metadata) { m.Redirects = []string{"https://%E2%80%AEx.azure-apim.net/"} },
		"a zone":            func(m *authserver.Metadata) { m.Redirects = []string{"http://[::1%25lo]/cb"} },
		"a fragment":        func(m *authserver.Metadata) { m.Redirects = []string{callback + "#x"} },
		"password":          func(m *authserver.Metadata) { m.GrantTypes = []string{"password"} },
		"client credential": func(m *authserver.Metadata) { m.GrantTypes = []string{"client_credentials"} },
		"token":             func(m *authserver.Metadata) { m.ResponseTypes = []string{"token"} },
		"a method":          func(m *authserver.Metadata) { m.Method = "tls_client_auth" },
		"a scope":           func(m *authserver.Metadata) { m.Scope = "everything" },
		"a name":            func(m *authserver.Metadata) { m.Name = "a\x00b" },
		"a turned name":     func(m *authserver.Metadata) { m.Name = "a\u202eb" },
		"keys of nobody":    func(m *authserver.Metadata) { m.Keys = json.RawMessage(`{"keys":[]}`) },
	} {
		m := good
		m.Redirects = append([]string(nil), good.Redirects...)
		change(&m)
		if _, err := h.server.Register(t.Context(), m, "203.0.113.1"); authserver.AsError(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	closed := newHouse(t, func(o *authserver.Options) { o.Hosts = nil })
	if _, err := closed.server.Register(t.Context(), good, "203.0.113.1"); authserver.AsError(err) == nil {
		t.Errorf("no host is allowed: %v", err)
	}
}

func TestAClientIsWhatItsDocumentSays(t *testing.T) {
	const id = "https://client.test/client.json"
	documents := map[string]string{}
	h := newHouse(t, func(o *authserver.Options) {
		o.Fetch = func(_ context.Context, url string) ([]byte, error) {
			if d, ok := documents[url]; ok {
				return []byte(d), nil
			}
			return nil, errors.New("nothing there")
		}
	})
	begin := func(id string) error {
		_, err := h.server.Begin(t.Context(), h.query("read", func(q url.Values) { q.Set("client_id", id) }))
		return err
	}
	good := fmt.Sprintf(`{"client_id":%q,"client_name":"C","redirect_uris":[%q]}`, id, callback)
	documents[id] = good
	if err := begin(id); err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{
		"another id":   strings.Replace(good, id, id+"x", 1),
		"another host": strings.Replace(good, callback, "https://evil.test/", 1),
		"no redirect":  fmt.Sprintf(`{"client_id":%q}`, id),
		"a secret": strings.Replace(good, `"client_name"`,
			`"token_endpoint_auth_method":"client_secret_basic","client_name"`, 1),
		"too large": good + strings.Repeat(" ", 5<<10),
		"no JSON":   "x",
		"not there": "",
	} {
		h.clock.Forward(time.Hour)
		if documents[id] = document; document == "" {
			delete(documents, id)
		}
		if err := begin(id); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, bad := range []string{"http://client.test/c", "https://client.test", "https://client.test/",
		"https://localhost/c",
		"https://client.test/c?x", "https://client.test/c#x", "https://u@client.test/c", "https://client.test:8443/c",
		"https://client.test/a/../c", "https://CLIENT.test/c", "https://client.test/c d"} {
		documents[bad] = strings.Replace(good, id, bad, 1)
		if err := begin(bad); err == nil {
			t.Errorf("%s is the id of a client", bad)
		}
	}
}

func TestAHostInsideMayHaveDocumentsAtAnyPort(t *testing.T) {
	asked := 0
	h := newHouse(t, func(o *authserver.Options) {
		o.Inside = func(host string) bool { return host == "inside" || host == "10.1.0.1" || host == "::ffff:10.1.0.1" }
		o.Fetch = func(_ context.Context, url string) ([]byte, error) {
			asked++
			return fmt.Appendf(nil, `{"client_id":%q,"redirect_uris":[%q]}`, url, callback), nil
		}
	})
	taken := map[string]bool{
		"https://inside:8443/c": true, "https://inside/c": true, "https://10.1.0.1:8443/c": true,
		"https://client.test/c": true,
		"http://inside:8443/c":  false, "https://client.test:8443/c": false, "https://outside/c": false,
		"https://u@inside/c": false, "https://inside:8443/": false, "https://inside:8443/a/../c": false,
		"https://INSIDE:8443/c": false, "https://[::ffff:10.1.0.1]:8443/c": false, "https://inside.evil.test:1/c": false,
	}
	for id, ok := range taken {
		_, err := h.server.Begin(t.Context(), h.query("read", func(q url.Values) { q.Set("client_id", id) }))
		if (err == nil) != ok {
			t.Errorf("%s: %v", id, err)
		}
	}
	if asked != 4 {
		t.Errorf("%d documents were fetched", asked)
	}
}

func TestTokensOutliveARotationOfTheKeys(t *testing.T) {
	h := newHouse(t, nil)
	h.clock.Forward(90*24*time.Hour - time.Minute)
	got := h.tokens(anna, "read")
	h.clock.Forward(2 * time.Minute)
	h.Update(h.server.Prepare)
	if _, err := h.who(got.Access); err != nil {
		t.Error(err)
	}
	set, err := h.server.KeySet(t.Context())
	if err != nil || len(set.Keys) != 2 {
		t.Fatal(len(set.Keys), err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			t.Error("a private key is published")
		}
	}
}

func TestAClientAsksAboutItsOwnTokens(t *testing.T) {
	h := newHouse(t, nil)
	c, secret := h.add(authserver.NewClient{Redirects: []string{callback}, Method: authserver.MethodPost})
	public := h.client.ID
	foreign := h.tokens(anna, "read")
	h.client.ID = c.ID
	proof := authserver.Proof{ID: c.ID, Secret: secret}
	q := h.redeem(h.code(h.begin("read"), h.signIn(anna)))
	q.Proof = proof
	own := h.must(q)
	if got, err := h.server.Introspect(t.Context(), proof, own.Access); err != nil || !got.Active || got.Scope != "read" {
		t.Errorf("%+v %v", got, err)
	}
	got, err := h.server.Introspect(t.Context(), proof, foreign.Access)
	if err != nil || got != (authserver.Introspection{}) {
		t.Errorf("%+v %v", got, err)
	}
	_, err = h.server.Introspect(t.Context(), authserver.Proof{ID: public}, foreign.Access)
	h.refused(err, authserver.UnauthorizedClient)
	if err := h.server.Revoke(t.Context(), proof, own.Refresh); err != nil {
		t.Fatal(err)
	}
	if got, err := h.server.Introspect(t.Context(), proof, own.Access); err != nil || got.Active {
		t.Errorf("%+v %v", got, err)
	}
}
