package httpd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// tokens are verified tokens by their text: what an issuer says is tested elsewhere.
type tokens map[string]registry.Token

func (s tokens) Verify(_ context.Context, text string) (registry.Token, error) {
	if text == "no keys" {
		return registry.Token{}, mail.ErrUnavailable.Errorf("tokens cannot be checked now; try again later")
	}
	if t, ok := s[text]; ok {
		return t, nil
	}
	return registry.Token{}, registry.ErrCredentials
}

// token makes what everyone is called by present a token; change makes it another than
// a good one of the agent bot by itself.
func (h *fixture) token(name string, change func(*registry.Token)) {
	t := registry.Token{Issuer: "corp", Tenant: "t1", Shape: registry.ShapeAutonomous, Object: "bot-object",
		Client: "bot-client", Blueprint: "print", Scopes: []registry.Scope{registry.ScopeRead, registry.ScopeSend},
		Expires: h.clock.Now().Add(time.Hour)}
	if change != nil {
		change(&t)
	}
	h.keys[name], h.tokens["token of "+name] = "token of "+name, t
}

// identities binds bot, and eve, who may decide.
func (h *fixture) identities() {
	h.t.Helper()
	approver := h.principal("approver")
	h.Update(func(tx store.Tx) error {
		if _, err := h.Registry.Bind(tx, h.Operator, registry.BindingRequest{Kind: registry.KindAgent, Owner: "bot",
			Issuer: "corp", Tenant: "t1", Object: "bot-object", Client: "bot-client"}); err != nil {
			return err
		}
		_, err := h.Registry.Bind(tx, approver, registry.BindingRequest{Kind: registry.KindApprover,
			Owner: "eve", Issuer: "corp", Tenant: "t1", Object: "eve-object", Scopes: registry.KindApprover.Scopes()})
		return err
	})
}

func TestATokenIsTakenAsTheBindingAndTheTokenAllow(t *testing.T) {
	h := newFixture(t)
	h.identities()
	h.token("agent", nil)
	h.token("agent for a person", func(t *registry.Token) { t.Shape, t.Object = registry.ShapeDelegated, "max-object" })
	h.token("agent that reads", func(t *registry.Token) { t.Scopes = []registry.Scope{registry.ScopeRead} })
	h.token("agent not bound", func(t *registry.Token) { t.Object = "other-object" })
	h.token("agent of another tenant", func(t *registry.Token) { t.Tenant = "t2" })
	h.token("agent that decides", func(t *registry.Token) { t.Scopes = append(t.Scopes, registry.ScopeOversight) })
	h.token("agent of before", func(t *registry.Token) { t.Expires = h.clock.Now() })
	h.keys["forged token"], h.keys["token without keys"] = "forged", "no keys"
	for _, c := range []struct {
		as           string
		send, decide int // status; nobody decides who is not known
	}{
		{"token without keys", 503, 503}, // before the refused ones, of which a minute has a limit
		{"agent", 202, 403},
		{"agent for a person", 202, 403},
		{"agent that reads", 403, 403},
		{"agent not bound", 401, 0},
		{"agent of another tenant", 401, 0},
		{"agent that decides", 401, 0},
		{"agent of before", 401, 0},
		{"forged token", 401, 0},
	} {
		r := h.do(c.as, "POST", "/v1/send", draft)
		if r.status != c.send {
			t.Errorf("%s: sending answers %d %s, want %d", c.as, r.status, r.body, c.send)
		}
		if challenge := r.header.Get("WWW-Authenticate"); r.status == 401 && !strings.Contains(challenge, "invalid_token") {
			t.Errorf("%s: challenge %q", c.as, challenge)
		}
		if r.status == 401 {
			continue
		}
		body := fmt.Sprintf(`{"email_id":%q,"action":"reject"}`, h.held().ID)
		if r := h.do(c.as, "POST", decidePath, body); r.status != c.decide {
			t.Errorf("%s: deciding answers %d %s, want %d", c.as, r.status, r.body, c.decide)
		}
	}
}

// Whom an agent acted for can never decide over the mail, and an approver is shown who
// that was.
func TestTheApproverSeesWhoAnAgentIsAndThePersonBehindItCannotDecide(t *testing.T) {
	h := newFixture(t)
	h.identities()
	h.token("agent for eve", func(t *registry.Token) { t.Shape, t.Object = registry.ShapeDelegated, "eve-object" })
	h.token("eve", func(t *registry.Token) {
		t.Shape, t.Object, t.Scopes = registry.ShapePerson, "eve-object", registry.KindApprover.Scopes()
	})
	h.key("zoe", h.principal("approver"), registry.KeyRequest{Kind: registry.KindApprover, Owner: "zoe",
		Scopes: registry.KindApprover.Scopes()})
	id := into[api.Receipt](h, h.want(202, "agent for eve", "POST", "/v1/send", draft)).ID
	r := into[api.Review](h, h.want(200, "eve", "GET", "/v1/oversight/pending/"+id, ""))
	want := api.Identified{Issuer: "corp", Tenant: "t1", Agent: "bot-object", Client: "bot-client", Blueprint: "print",
		Shape: "on_behalf_of", Person: "eve-object"}
	if r.Identity == nil || *r.Identity != want {
		t.Errorf("the review shows %+v", r.Identity)
	}
	for _, as := range []string{"eve", "approver"} { // by token and by the key of the same name
		for _, action := range []string{"approve", "reject"} {
			body := fmt.Sprintf(`{"email_id":%q,"action":%q,"digest":%q}`, id, action, r.Digest)
			if got := h.do(as, "POST", decidePath, body); got.status != 403 || !strings.Contains(got.body, "can never decide") {
				t.Errorf("%s to %s: %d %s", as, action, got.status, got.body)
			}
		}
	}
	h.want(200, "zoe", "POST", decidePath, fmt.Sprintf(`{"email_id":%q,"action":"approve","digest":%q}`, id, r.Digest))
	seen := h.want(200, "agent for eve", "GET", emailsOf+"/"+id, "").body
	if strings.Contains(seen, "eve-object") {
		t.Errorf("the agent is told whom it acted for: %s", seen)
	}
}
