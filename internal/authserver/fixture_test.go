package authserver_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

const (
	origin   = "https://mail.example.test"
	verifier = "a-code-verifier-of-at-least-forty-three-characters"
	callback = "https://client.test/callback"
)

var (
	box  = mail.MustAddress("bot@example.test")
	anna = mail.Person{Issuer: "corp", Tenant: "t1", ID: "anna"}
	boss = mail.Person{Issuer: "corp", Tenant: "t1", ID: "boss"}
)

// house is a system with an agent "bot" whose rights Anna may grant, and an approver.
type house struct {
	*systemtest.System
	clock  *systemtest.Clock
	server *authserver.Server
	client authserver.Client // public, of callback
	admin  registry.Principal
}

func newHouse(t *testing.T, change func(*authserver.Options)) *house {
	t.Helper()
	h := &house{clock: systemtest.NewClock(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), 0)}
	h.System = systemtest.New(t, systemtest.Options{Now: h.clock.Now})
	h.AddOperator("example.test", mail.MustAddress("boss@elsewhere.test"))
	h.AddAgent("bot", "", box)
	o := authserver.Options{Origin: origin, Store: h.DB, Registry: h.Registry, Log: systemtest.Quiet,
		Hosts: []string{"client.test", "*.azure-apim.net", authserver.HostLoopback}, Access: 5 * time.Minute,
		Refresh: 30 * 24 * time.Hour, Rules: []authserver.Rule{
			{Issuer: "corp", Tenant: "t1", Person: "anna", Agents: []string{"bot"}, Scopes: scopes("read send")},
			{Issuer: "corp", Tenant: "t1", Role: "Mail.Reader", Agents: []string{"bot"}, Scopes: scopes("read")},
		}}
	if change != nil {
		change(&o)
	}
	var err error
	if h.server, err = authserver.New(o); err != nil {
		t.Fatal(err)
	}
	h.Update(h.server.Prepare)
	h.client, _ = h.add(authserver.NewClient{Name: "Client", Redirects: []string{callback}, Method: authserver.MethodNone})
	h.admin, _, _ = h.AddKey(registry.KeyRequest{Kind: registry.KindAdmin, Owner: "root", Scopes: scopes("admin read")})
	return h
}

func scopes(text string) (out []registry.Scope) {
	for word := range strings.FieldsSeq(text) {
		out = append(out, registry.Scope(word))
	}
	return out
}

func (h *house) add(q authserver.NewClient) (c authserver.Client, secret string) {
	h.Helper()
	h.Update(func(tx store.Tx) (err error) {
		c, secret, err = h.server.AddClient(tx, h.Operator, q)
		return err
	})
	return c, secret
}

// bind makes a person an approver.
func (h *house) bind(who mail.Person, owner string) (b registry.Binding) {
	h.Helper()
	h.Update(func(tx store.Tx) (err error) {
		b, err = h.Registry.Bind(tx, h.Operator, registry.BindingRequest{Kind: registry.KindApprover, Owner: owner,
			Issuer: who.Issuer, Tenant: who.Tenant, Object: who.ID, Scopes: scopes("oversight oversight_read")})
		return err
	})
	return b
}

// query is a good authorization request; change makes it another one.
func (h *house) query(scope string, change func(url.Values)) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {h.client.ID}, "response_type": {"code"}, "redirect_uri": {callback}, "state": {"s1"},
		"scope": {scope}, "code_challenge_method": {"S256"}, "resource": {origin + "/mcp"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	if change != nil {
		change(q)
	}
	return q
}

func (h *house) begin(scope string) *authserver.Request {
	h.Helper()
	r, err := h.server.Begin(h.Context(), h.query(scope, nil))
	if err != nil {
		h.Fatal(err)
	}
	return r
}

// signIn opens the session of a person.
func (h *house) signIn(who mail.Person, roles ...string) authserver.SignedIn {
	h.Helper()
	sealed, err := h.server.SignIn(h.Context(), &authserver.Request{}, who, roles, "Somebody")
	if err != nil {
		h.Fatal(err)
	}
	in, ok, err := h.server.Session(h.Context(), &authserver.Request{}, sealed)
	if err != nil || !ok {
		h.Fatal(ok, err)
	}
	return in
}

func (h *house) offers(r *authserver.Request, in authserver.SignedIn) ([]authserver.Offer, string) {
	h.Helper()
	offers, proof, err := h.server.Offers(h.Context(), r, in)
	if err != nil {
		h.Fatal(err)
	}
	return offers, proof
}

// code has a person consent to the first offer, and returns the code.
func (h *house) code(r *authserver.Request, in authserver.SignedIn) string {
	h.Helper()
	offers, proof := h.offers(r, in)
	if len(offers) == 0 {
		h.Fatal("nothing is offered")
	}
	to, err := h.server.Consent(h.Context(), r, in, authserver.Answer{Offer: offers[0].Key(), Scopes: offers[0].Scopes,
		Proof: proof})
	if err != nil {
		h.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("iss") != origin || u.Query().Get("state") != "s1" {
		h.Fatal(to, err)
	}
	return u.Query().Get("code")
}

func (h *house) redeem(code string) authserver.TokenRequest {
	return authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "authorization_code",
		Code: code, Redirect: callback, Verifier: verifier}
}

// tokens takes the whole road for a person.
func (h *house) tokens(who mail.Person, scope string) authserver.Tokens {
	h.Helper()
	return h.must(h.redeem(h.code(h.begin(scope), h.signIn(who))))
}

func (h *house) must(q authserver.TokenRequest) authserver.Tokens {
	h.Helper()
	t, err := h.server.Token(h.Context(), q)
	if err != nil {
		h.Fatal(err)
	}
	return t
}

// granted verifies the tokens of our own server.
type granted struct{ *authserver.Server }

func (g granted) Verify(ctx context.Context, raw string) (registry.Token, error) {
	a, err := g.Read(ctx, raw)
	return a.Token, err
}

func (h *house) auth() *registry.Authenticator {
	return registry.NewAuthenticator(h.DB, h.Registry, granted{h.server})
}

// who returns whom an access token speaks for at the MCP door.
func (h *house) who(access string) (registry.Principal, error) {
	auth := h.auth()
	return auth.ByToken(context.Background(), access, registry.Origin{Door: "http", Resource: origin + "/mcp"})
}

// refused checks the code of a refusal.
func (h *house) refused(err error, code string) {
	h.Helper()
	var f *authserver.Failure
	e := authserver.AsError(err)
	if errors.As(err, &f) {
		e = f.Refusal
	}
	if e == nil || e.Code != code {
		h.Errorf("%v, want %s", err, code)
	}
}
