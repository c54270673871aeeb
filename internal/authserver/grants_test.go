package authserver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// active counts the grants that have not ended.
func (h *house) active() (n int) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		all, err := h.Registry.Grants(tx)
		for _, g := range all {
			if g.EndedAt.IsZero() {
				n++
			}
		}
		return err
	})
	return n
}

func TestOfManyGrantsToOneClientTheOldestEnds(t *testing.T) {
	h := newHouse(t, nil)
	first := h.tokens(anna, "read")
	for range 4 {
		h.clock.Forward(time.Second)
		h.tokens(anna, "read")
	}
	h.clock.Forward(time.Second)
	if _, err := h.who(first.Access); err != nil || h.active() != 5 {
		t.Fatal(h.active(), err)
	}
	last := h.tokens(anna, "read")
	h.ended(first, "replaced")
	if _, err := h.who(last.Access); err != nil || h.active() != 5 {
		t.Error(h.active(), err)
	}
}

func TestAGrantThatNobodyUsesLapses(t *testing.T) {
	h := newHouse(t, nil)
	idle, busy := h.tokens(anna, "read"), h.tokens(anna, "read")
	h.clock.Forward(20 * 24 * time.Hour)
	busy = h.must(authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "refresh_token",
		Refresh: busy.Refresh})
	h.clock.Forward(11 * 24 * time.Hour)
	for range 50 { // each looks at some, from anywhere on
		h.Update(func(tx store.Tx) error { return h.server.Sweep(tx, 10) })
	}
	h.ended(idle, "unused")
	if h.active() != 1 {
		t.Errorf("%d grants are active", h.active())
	}
	h.must(authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "refresh_token",
		Refresh: busy.Refresh})
}

// A rule that names fewer mailboxes now does not leave the wider grants as they are.
func TestARefreshAsksForTheMailboxesOfTheRule(t *testing.T) {
	var rules []authserver.Rule
	h := newHouse(t, func(o *authserver.Options) { rules = o.Rules })
	got := h.tokens(anna, "read")
	refresh := func(boxes ...mail.Address) error {
		rule := rules[0]
		rule.Mailboxes = boxes
		restarted, err := authserver.New(authserver.Options{Origin: origin, Store: h.DB, Registry: h.Registry,
			Access: time.Minute, Refresh: time.Hour, Rules: []authserver.Rule{rule}})
		if err != nil {
			t.Fatal(err)
		}
		next, err := restarted.Token(t.Context(), authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID},
			GrantType: "refresh_token", Refresh: got.Refresh})
		if err == nil {
			got = next
		}
		return err
	}
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	h.refused(refresh(mail.MustAddress("other@example.test")), authserver.InvalidGrant)
	h.refused(refresh(box), authserver.InvalidGrant) // the grant is of all that the agent gets
}

// signInAdmin opens the session of whoever holds an admin's key.
func (h *house) signInAdmin(p registry.Principal) authserver.SignedIn {
	h.Helper()
	sealed, err := h.server.SignInAdmin(h.Context(), &authserver.Request{}, p)
	if err != nil {
		h.Fatal(err)
	}
	in, ok, err := h.server.Session(h.Context(), &authserver.Request{}, sealed)
	if err != nil || !ok {
		h.Fatal(ok, err)
	}
	return in
}

// void checks that neither the access token nor the refresh token of a grant is worth anything.
func (h *house) void(name string, got authserver.Tokens) {
	h.Helper()
	if _, err := h.who(got.Access); !errors.Is(err, registry.ErrCredentials) {
		h.Errorf("%s: the access token is good: %v", name, err)
	}
	_, err := h.server.Token(h.Context(), authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID},
		GrantType: "refresh_token", Refresh: got.Refresh})
	h.refused(err, authserver.InvalidGrant)
}

func TestTokensEndWithTheAdminsKeyThatConsented(t *testing.T) {
	h := newHouse(t, nil)
	agent := h.must(h.redeem(h.code(h.begin("read send"), h.signInAdmin(h.admin))))
	admin := h.must(h.redeem(h.code(h.begin("admin"), h.signInAdmin(h.admin))))
	for _, got := range []authserver.Tokens{agent, admin} {
		if _, err := h.who(got.Access); err != nil {
			t.Fatal(err)
		}
	}
	late := h.code(h.begin("admin"), h.signInAdmin(h.admin))
	h.Update(func(tx store.Tx) error { return h.Registry.RevokeKey(tx, h.Operator, h.admin.Credential.ID) })
	h.void("of an agent", agent)
	h.void("of the admin", admin)
	_, err := h.server.Token(t.Context(), h.redeem(late))
	h.refused(err, authserver.InvalidGrant)
}

// Only a sign-in tells whether a person still has a role, so what rests on one is not for ever.
func TestAGrantThatRestsOnARoleNeedsANewSignIn(t *testing.T) {
	h := newHouse(t, nil)
	named := h.tokens(anna, "read")
	got := h.must(h.redeem(h.code(h.begin("read"), h.signIn(mail.Person{Issuer: "corp", Tenant: "t1", ID: "carl"},
		"Mail.Reader"))))
	turn := func(had authserver.Tokens) authserver.Tokens {
		return h.must(authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID}, GrantType: "refresh_token",
			Refresh: had.Refresh})
	}
	h.clock.Forward(29 * 24 * time.Hour)
	named, got = turn(named), turn(got)
	if _, err := h.who(got.Access); err != nil {
		t.Fatal(err)
	}
	h.clock.Forward(24 * time.Hour)
	h.void("by a role", got)
	turn(named)
}

// A setting that is taken away ends at the next use what it had let people grant.
func TestTheNextUseAsksTheRulesAgain(t *testing.T) {
	var rules []authserver.Rule
	h := newHouse(t, func(o *authserver.Options) { rules = o.Rules })
	got := h.tokens(anna, "read send")
	for name, now := range map[string][]authserver.Rule{
		"none": nil, "another": rules[1:],
		"fewer scopes": {{Issuer: "corp", Tenant: "t1", Person: "anna", Agents: []string{"bot"}, Scopes: scopes("read")}},
		"another agent": {{Issuer: "corp", Tenant: "t1", Person: "anna", Agents: []string{"cat"},
			Scopes: scopes("read send")}},
		"fewer mailboxes": {{Issuer: "corp", Tenant: "t1", Person: "anna", Agents: []string{"bot"},
			Scopes: scopes("read send"), Mailboxes: []mail.Address{box}}},
	} {
		_, err := authserver.New(authserver.Options{Origin: origin, Store: h.DB, Registry: h.Registry,
			Access: time.Minute, Refresh: time.Hour, Rules: now}) // as a start does
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.who(got.Access); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who consents for an agent decides nothing that the client sends, even when made an approver
// afterwards: the grant is worth nothing then.
func TestWhoConsentedAndBecomesAnApproverEndsTheGrant(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read send")
	if _, err := h.who(got.Access); err != nil {
		t.Fatal(err)
	}
	h.bind(anna, "anna")
	if _, err := h.who(got.Access); err == nil {
		t.Error("an approver's grant of an agent is still good")
	}
	_, err := h.server.Token(t.Context(), authserver.TokenRequest{Proof: authserver.Proof{ID: h.client.ID},
		GrantType: "refresh_token", Refresh: got.Refresh})
	h.refused(err, authserver.InvalidGrant)
}
