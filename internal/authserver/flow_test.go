package authserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestAPersonLetsAClientActAsAnAgent(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read send offline_access")
	if got.Type != "Bearer" || got.Expires != 300 || got.Scope != "read send" || got.Refresh == "" {
		t.Errorf("%+v", got)
	}
	p, err := h.who(got.Access)
	if err != nil || p.ID() != "agent:bot" || !p.Has(registry.ScopeSend) || !p.Covers(box) {
		t.Fatalf("%+v %v", p, err)
	}
	if id := p.Identity(); id == nil || id.Person != anna || id.Client != h.client.ID {
		t.Errorf("the mail would not say who granted: %+v", p.Identity())
	}
	again := h.must(authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "refresh_token",
		Refresh: got.Refresh, Scope: "read"})
	if p, err := h.who(again.Access); err != nil || p.Has(registry.ScopeSend) || again.Refresh == got.Refresh {
		t.Errorf("%+v %v", p, err)
	}
	h.clock.Forward(5 * time.Minute)
	if _, err := h.who(again.Access); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("an access token outlives its time: %v", err)
	}
}

func TestATokenIsGoodAtItsResourceAlone(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read")
	auth := h.auth()
	for _, at := range []string{"", origin + "/v1", origin} {
		_, err := auth.ByToken(t.Context(), got.Access, registry.Origin{Resource: at})
		if !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("at %q: %v", at, err)
		}
	}
}

func TestOnlyWhomARuleNamesIsOfferedAnAgent(t *testing.T) {
	h := newHouse(t, nil)
	r := h.begin("read send oversight admin")
	for _, tt := range []struct {
		who   mail.Person
		roles []string
		want  string
	}{
		{anna, nil, "agent:bot read send"},
		{mail.Person{Issuer: "corp", Tenant: "t1", ID: "ben"}, []string{"Mail.Reader"}, "agent:bot read"},
		{mail.Person{Issuer: "corp", Tenant: "t1", ID: "ben"}, nil, ""},
		{mail.Person{Issuer: "corp", Tenant: "t2", ID: "anna"}, nil, ""},
		{mail.Person{Issuer: "other", Tenant: "t1", ID: "anna"}, []string{"Mail.Reader"}, ""},
	} {
		offers, _ := h.offers(r, h.signIn(tt.who, tt.roles...))
		got := ""
		for _, o := range offers {
			got += strings.TrimSpace(o.Key() + " " + strings.Trim(strings.Join(words(o.Scopes), " "), "[]"))
		}
		if got != tt.want {
			t.Errorf("%s %v is offered %q, want %q", tt.who, tt.roles, got, tt.want)
		}
	}
}

func words(list []registry.Scope) (out []string) {
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

func TestWhoDecidesGrantsNothingOfAnAgent(t *testing.T) {
	h := newHouse(t, nil)
	before := h.tokens(anna, "read send")
	h.bind(anna, "anna-the-approver")
	if _, err := h.who(before.Access); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("a grant outlives that its person became an approver: %v", err)
	}
	r, in := h.begin("read send oversight"), h.signIn(anna)
	offers, proof := h.offers(r, in)
	if len(offers) != 1 || offers[0].Key() != "approver:anna-the-approver" ||
		!slices.Equal(offers[0].Scopes, scopes("oversight")) {
		t.Fatalf("%+v", offers)
	}
	_, err := h.server.Consent(t.Context(), r, in,
		authserver.Answer{Offer: "agent:bot", Scopes: scopes("read send"), Proof: proof})
	h.refused(err, authserver.AccessDenied)
}

func TestAnApproversGrantIsWorthWhatTheBindingIs(t *testing.T) {
	h := newHouse(t, nil)
	b := h.bind(boss, "the-boss")
	got := h.tokens(boss, "oversight oversight_read send")
	p, err := h.who(got.Access)
	if err != nil || p.ID() != "approver:the-boss" || !p.Has(registry.ScopeOversight) || p.Has(registry.ScopeSend) {
		t.Fatalf("%+v %v", p, err)
	}
	h.Update(func(tx store.Tx) error { return h.Registry.Unbind(tx, h.Operator, b.ID) })
	if _, err := h.who(got.Access); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("%v", err)
	}
}

func TestAnAdminGrantsAgentsAndItself(t *testing.T) {
	h := newHouse(t, nil)
	offers, _ := h.offers(h.begin("read send admin oversight audit_read tighten"), h.signInAdmin(h.admin))
	var got []string
	for _, o := range offers {
		got = append(got, o.Key()+" "+strings.Join(words(o.Scopes), " "))
	}
	want := []string{"agent:bot read send tighten", "admin:root read admin audit_read tighten"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	agent, _, _ := h.AddKey(registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot", Scopes: scopes("read send")})
	if _, err := h.server.SignInAdmin(t.Context(), h.begin("read"), agent); err == nil {
		t.Error("the key of an agent signs in")
	}
}

func TestAConsentFormCountsOnceInItsSessionForWhatItShowed(t *testing.T) {
	h := newHouse(t, nil)
	in := h.signIn(anna)
	r := h.begin("read send")
	offers, proof := h.offers(r, in)
	answer := authserver.Answer{Offer: offers[0].Key(), Scopes: offers[0].Scopes, Proof: proof}
	for name, try := range map[string]func() error{
		"another session": func() error {
			_, err := h.server.Consent(t.Context(), r, h.signIn(anna), answer)
			return err
		},
		"no proof": func() error {
			_, err := h.server.Consent(t.Context(), r, in, authserver.Answer{Offer: answer.Offer, Scopes: answer.Scopes})
			return err
		},
	} {
		if err := try(); authserver.AsError(err) == nil || authserver.AsError(err).Code != authserver.InvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.server.Consent(t.Context(), r, in, answer); err != nil {
		t.Fatal(err)
	}
	_, err := h.server.Consent(t.Context(), r, in, answer)
	h.refused(err, authserver.InvalidRequest)
	_, answer.Proof = h.offers(r, in) // another form, in a session that was answered
	_, err = h.server.Consent(t.Context(), r, in, answer)
	h.refused(err, authserver.InvalidRequest)
	in = h.signIn(anna)
	_, old := h.offers(r, in)
	h.clock.Forward(11 * time.Minute)
	answer.Proof = old
	_, err = h.server.Consent(t.Context(), r, in, answer)
	h.refused(err, authserver.InvalidRequest)
}

// What a form showed is what it grants: the same form for a request that differs in one
// thing grants nothing.
func TestAConsentFormIsBoundToEverythingThatWasAsked(t *testing.T) {
	h := newHouse(t, nil)
	otherClient, _ := h.add(authserver.NewClient{Name: "Other", Redirects: []string{callback, callback + "/2"},
		Method: authserver.MethodNone})
	h.client = otherClient
	sum := sha256.Sum256([]byte(verifier + "2"))
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for name, change := range map[string]func(url.Values){
		"client": set("client_id", h.other()), "redirect": set("redirect_uri", callback+"/2"), "scopes": set("scope", "read"),
		"resource": set("resource", origin+"/v1"), "state": set("state", "s2"),
		"challenge": set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:])),
	} {
		r, in := h.begin("read send"), h.signIn(anna)
		offers, proof := h.offers(r, in)
		answer := authserver.Answer{Offer: offers[0].Key(), Scopes: scopes("read"), Proof: proof}
		other, err := h.server.Begin(t.Context(), h.query("read send", change))
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = h.server.Consent(t.Context(), other, in, answer)
		if e := authserver.AsError(err); e == nil || e.Code != authserver.InvalidRequest {
			t.Errorf("another %s: %v", name, err)
		}
		if _, err := h.server.Consent(t.Context(), r, in, answer); err != nil {
			t.Errorf("%s, the request that it was made for: %v", name, err)
		}
	}
}

func TestScopesCanBeLeftOutAndNotAdded(t *testing.T) {
	h := newHouse(t, nil)
	r, in := h.begin("read"), h.signIn(anna)
	_, proof := h.offers(r, in)
	to, err := h.server.Consent(t.Context(), r, in,
		authserver.Answer{Offer: "agent:bot", Scopes: scopes("read send"), Proof: proof})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	if got := h.must(h.redeem(u.Query().Get("code"))); got.Scope != "read" {
		t.Errorf("%+v", got)
	}
}

func TestACodeIsGoodOnceForItsClientAndVerifier(t *testing.T) {
	for name, bad := range map[string]func(*house, *authserver.TokenRequest){
		"another verifier":     func(_ *house, q *authserver.TokenRequest) { q.Verifier += "x" },
		"no verifier":          func(_ *house, q *authserver.TokenRequest) { q.Verifier = "" },
		"another redirect":     func(_ *house, q *authserver.TokenRequest) { q.Redirect += "/" },
		"no redirect":          func(_ *house, q *authserver.TokenRequest) { q.Redirect = "" },
		"another code":         func(_ *house, q *authserver.TokenRequest) { q.Code += "x" },
		"no code":              func(_ *house, q *authserver.TokenRequest) { q.Code = "" },
		"late":                 func(h *house, _ *authserver.TokenRequest) { h.clock.Forward(time.Minute) },
		"another client of it": func(h *house, q *authserver.TokenRequest) { q.Proof.ID = h.other() },
	} {
		h := newHouse(t, nil)
		q := h.redeem(h.code(h.begin("read"), h.signIn(anna)))
		good := q
		bad(h, &q)
		_, err := h.server.Token(t.Context(), q)
		if e := authserver.AsError(err); e == nil || e.Code != authserver.InvalidGrant {
			t.Errorf("%s: %v", name, err)
		}
		if name != "late" {
			h.must(good) // an attempt of others costs the client nothing
		}
	}
}

// other is another client with the same redirect URI.
func (h *house) other() string {
	c, _ := h.add(authserver.NewClient{Name: "Other", Redirects: []string{callback}, Method: authserver.MethodNone})
	return c.ID
}

func TestACodeThatIsUsedTwiceEndsWhatItBrought(t *testing.T) {
	h := newHouse(t, nil)
	q := h.redeem(h.code(h.begin("read"), h.signIn(anna)))
	got := h.must(q)
	_, err := h.server.Token(t.Context(), q)
	h.refused(err, authserver.InvalidGrant)
	h.ended(got, "replay")
}

func TestARefreshTokenThatIsUsedTwiceEndsItsFamily(t *testing.T) {
	h := newHouse(t, nil)
	first := h.tokens(anna, "read")
	q := authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "refresh_token",
		Refresh: first.Refresh}
	second := h.must(q)
	_, err := h.server.Token(t.Context(), q)
	h.refused(err, authserver.InvalidGrant)
	h.ended(second, "replay")
	q.Refresh = second.Refresh
	_, err = h.server.Token(t.Context(), q)
	h.refused(err, authserver.InvalidGrant)
}

// A refresh token in the hands of another client was stolen, whether it is the newest or not.
func TestARefreshTokenOfAnotherClientEndsItsFamily(t *testing.T) {
	h := newHouse(t, nil)
	by := func(client, token string) error {
		_, err := h.server.Token(t.Context(), authserver.TokenRequest{Proof: authserver.Proof{ID: client},
			GrantType: "refresh_token", Refresh: token})
		return err
	}
	kept := h.tokens(anna, "read")
	got := h.tokens(anna, "read")
	h.refused(by(h.other(), got.Refresh), authserver.InvalidGrant)
	h.ended(got, "replay")
	h.refused(by(h.client.ID, got.Refresh), authserver.InvalidGrant)
	if _, err := h.who(kept.Access); err != nil {
		t.Errorf("another grant of the client ends too: %v", err)
	}
	if err := by(h.client.ID, kept.Refresh); err != nil {
		t.Error(err)
	}
}

// A request without a resource gets a token for /mcp.
func TestARequestWithoutAResourceIsForMCP(t *testing.T) {
	h := newHouse(t, nil)
	r, err := h.server.Begin(t.Context(), h.query("read", func(q url.Values) { q.Del("resource") }))
	if err != nil {
		t.Fatal(err)
	}
	got := h.must(h.redeem(h.code(r, h.signIn(anna))))
	if _, err := h.who(got.Access); err != nil {
		t.Errorf("at /mcp: %v", err)
	}
	_, err = h.auth().ByToken(t.Context(), got.Access, registry.Origin{Door: "http", Resource: origin + "/v1"})
	if !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("at /v1: %v", err)
	}
}

// ended checks that tokens are worth nothing, and that the log says why.
func (h *house) ended(got authserver.Tokens, why string) {
	h.Helper()
	if _, err := h.who(got.Access); !errors.Is(err, registry.ErrCredentials) {
		h.Errorf("the access token is still good: %v", err)
	}
	found := false
	h.View(func(tx store.Tx) error {
		list, err := h.Audit.List(tx, 0, 100)
		found = slices.ContainsFunc(list, func(e audit.Entry) bool {
			return e.Record().Kind == audit.GrantEnd && e.Record().Facts["why"] == why
		})
		return err
	})
	if !found {
		h.Errorf("the log does not say that the grant ended: %s", why)
	}
}

func TestARefreshAsksTheRulesAgain(t *testing.T) {
	var rules []authserver.Rule
	h := newHouse(t, func(o *authserver.Options) { rules = o.Rules })
	got := h.tokens(anna, "read send")
	restarted, err := authserver.New(authserver.Options{Origin: origin, Store: h.DB, Registry: h.Registry,
		Access: time.Minute, Refresh: time.Hour, Rules: rules[1:]})
	if err != nil {
		t.Fatal(err)
	}
	_, err = restarted.Token(t.Context(), authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID},
		GrantType: "refresh_token", Refresh: got.Refresh})
	h.refused(err, authserver.InvalidGrant)
}

func TestAClientLetsGo(t *testing.T) {
	h := newHouse(t, nil)
	for _, of := range []func(authserver.Tokens) string{
		func(t authserver.Tokens) string { return t.Access }, func(t authserver.Tokens) string { return t.Refresh },
	} {
		got := h.tokens(anna, "read")
		if err := h.server.Revoke(t.Context(), authserver.Proof{ID: h.other()}, of(got)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.who(got.Access); err != nil {
			t.Errorf("another client ends it: %v", err)
		}
		if err := h.server.Revoke(t.Context(), authserver.Proof{ID: h.client.ID}, of(got)); err != nil {
			t.Fatal(err)
		}
		h.ended(got, "client")
	}
	if err := h.server.Revoke(t.Context(), authserver.Proof{ID: h.client.ID}, "unknown"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	h := newHouse(t, nil)
	h.tokens(anna, "read")
	h.code(h.begin("read"), h.signIn(anna))
	h.clock.Forward(31 * 24 * time.Hour)
	for range 50 {
		h.Update(func(tx store.Tx) error { return h.server.Sweep(tx, 10) })
	}
	h.View(func(tx store.Tx) error {
		for _, prefix := range []string{"oauth/code/", "oauth/refresh/", "oauth/used/"} {
			err := authserver.Space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
				t.Errorf("%s is still there", key)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
