package authserver_test

import (
	"testing"
	"time"

	"github.com/multimail/multimail/internal/authserver"
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
