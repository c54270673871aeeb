package oauth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/mail"
)

// provider is an OpenID provider that gives the id token that the test wants.
type provider struct {
	*httptest.Server
	key    *rsa.PrivateKey
	issuer string
	token  func(nonce string) jwt.MapClaims
	form   url.Values     // of the last exchange
	status int            // of the token endpoint
	broken bool           // the OpenID configuration names another issuer
	named  bool           // it says that its answers name it
	header map[string]any // more of the header of the id token
	shown  bool           // the key set shows another key than the tokens are signed with
}

func newProvider(t *testing.T) *provider {
	p := &provider{status: http.StatusOK}
	var err error
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		issuer := p.issuer
		if p.broken {
			issuer += "/other"
		}
		answer(w, map[string]any{"issuer": issuer, "authorization_endpoint": p.URL + "/auth",
			"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"authorization_response_iss_parameter_supported": p.named})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		key := p.key
		if p.shown {
			key, _ = rsa.GenerateKey(rand.Reader, 2048)
		}
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		p.form = r.PostForm
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, p.token(r.PostForm.Get("code")))
		token.Header["kid"] = "k"
		maps.Copy(token.Header, p.header)
		raw, _ := token.SignedString(p.key)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(p.status)
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.issuer = p.URL
	p.token = func(nonce string) jwt.MapClaims {
		return jwt.MapClaims{"iss": p.issuer, "aud": "login-client", "sub": "person-1", "nonce": nonce, "name": "Anna",
			"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "roles": []string{"Mail.Agent"}}
	}
	return p
}

func (p *provider) login(t *testing.T, change func(*config.Issuer)) *Login {
	c := config.Issuer{Name: "corp", Preset: config.PresetGeneric, Issuer: p.issuer, PersonClaim: "sub",
		DiscoveryURL: p.URL + "/.well-known/openid-configuration", Algorithms: []string{"RS256"},
		Login: config.IssuerLogin{ClientID: "login-client"}}
	if change != nil {
		change(&c)
	}
	l, err := NewLogin(c, "the secret", "https://mail.example.test/oauth/callback", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAPersonSignsInAtTheIssuer(t *testing.T) {
	p := newProvider(t)
	l := p.login(t, nil)
	to, err := l.Start(t.Context(), "the-state", "the-nonce", "a-verifier-of-at-least-forty-three-characters-")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	q := u.Query()
	if q.Get("state") != "the-state" || q.Get("nonce") != "the-nonce" || q.Get("code_challenge_method") != "S256" ||
		q.Get("code_challenge") == "" || q.Get("response_type") != "code" {
		t.Errorf("%s", to)
	}
	who, err := l.Finish(t.Context(), url.Values{"code": {"the-nonce"}}, "the-nonce",
		"a-verifier-of-at-least-forty-three-characters-")
	if err != nil || who.Person != (mail.Person{Issuer: "corp", ID: "person-1"}) || who.Name != "Anna" ||
		len(who.Roles) != 1 || who.Roles[0] != "Mail.Agent" {
		t.Errorf("%+v %v", who, err)
	}
	good := p.token
	p.token = func(nonce string) jwt.MapClaims {
		c := good(nonce)
		c["aud"], c["azp"] = []string{"login-client", "other"}, "login-client"
		return c
	}
	if _, err := l.Finish(t.Context(), url.Values{"code": {"n"}}, "n", "v"); err != nil {
		t.Errorf("several audiences, and given to us: %v", err)
	}
	if p.form.Get("code_verifier") == "" || p.form.Get("redirect_uri") != "https://mail.example.test/oauth/callback" {
		t.Errorf("%v", p.form)
	}
}

func TestASignInThatIsNotGoodIsRefused(t *testing.T) {
	for name, change := range map[string]func(*provider, jwt.MapClaims){
		"another sign-in": func(_ *provider, c jwt.MapClaims) { c["nonce"] = "other" },
		"no nonce":        func(_ *provider, c jwt.MapClaims) { delete(c, "nonce") },
		"another client":  func(_ *provider, c jwt.MapClaims) { c["aud"] = "other" },
		"another issuer":  func(_ *provider, c jwt.MapClaims) { c["iss"] = "https://other.test" },
		"several clients": func(_ *provider, c jwt.MapClaims) { c["aud"] = []string{"login-client", "other"} },
		"of another party": func(_ *provider, c jwt.MapClaims) {
			c["aud"], c["azp"] = []string{"login-client", "other"}, "other"
		},
		"azp of another":   func(_ *provider, c jwt.MapClaims) { c["azp"] = "other" },
		"azp no text":      func(_ *provider, c jwt.MapClaims) { c["azp"] = []string{"login-client"} },
		"iat as text":      func(_ *provider, c jwt.MapClaims) { c["iat"] = "1" },
		"a name twice":     func(_ *provider, c jwt.MapClaims) { c["SUB"] = "person-2" },
		"crit":             func(p *provider, _ jwt.MapClaims) { p.header = map[string]any{"crit": []string{"x"}, "x": 1} },
		"over":             func(_ *provider, c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"nobody":           func(_ *provider, c jwt.MapClaims) { delete(c, "sub") },
		"a list":           func(_ *provider, c jwt.MapClaims) { c["sub"] = []string{"a"} },
		"controls":         func(_ *provider, c jwt.MapClaims) { c["sub"] = "a\nb" },
		"another key":      func(p *provider, _ jwt.MapClaims) { p.shown = true },
		"a refusal":        func(p *provider, _ jwt.MapClaims) { p.status = http.StatusBadRequest },
		"no such endpoint": func(p *provider, _ jwt.MapClaims) { p.status = http.StatusNotFound },
	} {
		p := newProvider(t)
		good := p.token
		p.token = func(nonce string) jwt.MapClaims {
			c := good(nonce)
			change(p, c)
			return c
		}
		l := p.login(t, nil)
		who, err := l.Finish(t.Context(), url.Values{"code": {"n"}}, "n", "v")
		if !errors.Is(err, mail.ErrUnauthorised) || !who.Person.IsZero() {
			t.Errorf("%s: %+v %v", name, who, err)
		}
	}
}

func TestAnIssuerThatIsAnotherCannotSignIn(t *testing.T) {
	p := newProvider(t)
	p.broken = true
	if _, err := p.login(t, nil).Start(t.Context(), "s", "n", "v"); !errors.Is(err, mail.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestAPersonOfEntraIsNamedByObjectAndTenant(t *testing.T) {
	const tenant, object = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-2222-3333-4444-555555555555"
	l := &Login{conf: config.Issuer{Name: "entra", Preset: config.PresetEntra, Tenants: []string{tenant}}, tenant: tenant}
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{"oid": object, "tid": tenant, "sub": "pairwise", "preferred_username": "anna@example.com"}
		if change != nil {
			change(c)
		}
		return c
	}
	who, err := l.person(claims(nil))
	if err != nil || who.Person != (mail.Person{Issuer: "entra", Tenant: tenant, ID: object}) {
		t.Errorf("%+v %v", who, err)
	}
	upper, err := l.person(claims(func(c map[string]any) {
		c["oid"], c["tid"] = strings.ToUpper(object), strings.ToUpper(tenant)
	}))
	if err != nil || upper.Person != who.Person {
		t.Errorf("a GUID in capitals is another person: %+v %v", upper, err)
	}
	for name, change := range map[string]func(map[string]any){
		"another tenant": func(c map[string]any) { c["tid"] = object },
		"no tenant":      func(c map[string]any) { delete(c, "tid") },
		"no object":      func(c map[string]any) { delete(c, "oid") },
		"no GUID":        func(c map[string]any) { c["oid"] = "anna" },
		"no ASCII":       func(c map[string]any) { c["oid"] = "\u212aaaaaaa-2222-3333-4444-555555555555" },
		"an agent":       func(c map[string]any) { c["xms_act_fct"] = "11" },
		"its account":    func(c map[string]any) { c["xms_sub_fct"] = "13" },
	} {
		if who, err := l.person(claims(change)); !errors.Is(err, mail.ErrUnauthorised) || !who.Person.IsZero() {
			t.Errorf("%s: %+v %v", name, who, err)
		}
	}
}

// With two issuers, one of them could be given the code of the other one.
func TestAnAnswerOfAnotherIssuerIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		named, good bool
		answer      func(issuer string) url.Values
	}{
		"named":          {true, true, func(is string) url.Values { return url.Values{"code": {"n"}, "iss": {is}} }},
		"named unasked":  {false, true, func(is string) url.Values { return url.Values{"code": {"n"}, "iss": {is}} }},
		"no name":        {false, true, func(string) url.Values { return url.Values{"code": {"n"}} }},
		"name left out":  {true, false, func(string) url.Values { return url.Values{"code": {"n"}} }},
		"empty":          {false, false, func(string) url.Values { return url.Values{"code": {"n"}, "iss": {""}} }},
		"another":        {true, false, func(is string) url.Values { return url.Values{"code": {"n"}, "iss": {is + "/"}} }},
		"another, plain": {false, false, func(is string) url.Values { return url.Values{"code": {"n"}, "iss": {is + "/"}} }},
		"twice":          {true, false, func(is string) url.Values { return url.Values{"code": {"n"}, "iss": {is, is}} }},
		"two codes":      {false, false, func(string) url.Values { return url.Values{"code": {"n", "n"}} }},
		"no code":        {false, false, func(string) url.Values { return url.Values{} }},
		"an error too": {true, false, func(is string) url.Values {
			return url.Values{"code": {"n"}, "iss": {is}, "error": {"access_denied"}}
		}},
	} {
		p := newProvider(t)
		p.named = c.named
		who, err := p.login(t, nil).Finish(t.Context(), c.answer(p.issuer), "n", "v")
		if c.good != (err == nil) || !c.good && (!errors.Is(err, mail.ErrUnauthorised) || !who.Person.IsZero()) {
			t.Errorf("%s: %+v %v", name, who, err)
		}
		if !c.good && p.form != nil {
			t.Errorf("%s: the code was redeemed", name)
		}
	}
}
