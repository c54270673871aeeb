package authserver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// held has the client of a token submit a mail, which has to be held.
func (h *house) held(access string) *mail.Mail {
	h.Helper()
	p, err := h.who(access)
	if err != nil {
		h.Fatal(err)
	}
	r, err := h.Gate.Submit(h.Context(), p, gate.Submission{Mailbox: box, Door: "mcp",
		Raw:      []byte("From: bot@example.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n"),
		Envelope: mail.Envelope{From: box, Rcpts: []mail.Rcpt{{Addr: mail.MustAddress("ada@dest.test")}}}})
	if err != nil || r.Mail.State != mail.Held {
		h.Fatal(r, err)
	}
	return r.Mail
}

// itself checks that p may not decide over a mail, either way.
func (h *house) itself(name string, p registry.Principal, m *mail.Mail) {
	h.Helper()
	for _, yes := range []bool{true, false} {
		_, err := h.Gate.Decide(h.Context(), p, m.ID, gate.Decision{Approve: yes, Digest: m.Digest})
		now, bad := h.Queue.Mail(h.Context(), m.ID)
		if bad != nil || mail.WordOf(err) != "self" || now.State != mail.Held {
			h.Errorf("%s, approve %t: %v, the mail is %s", name, yes, err, now.State)
		}
	}
}

// approverBy is an approver of a key that somebody has made.
func (h *house) approverBy(by registry.Principal, name string) (p registry.Principal) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		_, secret, err := h.Registry.AddKey(tx, by, registry.KeyRequest{Kind: registry.KindApprover, Owner: name,
			Scopes: scopes("oversight oversight_read")})
		if err != nil {
			return err
		}
		p, err = h.Registry.ByKey(tx, secret)
		return err
	})
	return p
}

// decides checks that p may decide over a mail.
func (h *house) decides(name string, p registry.Principal, m *mail.Mail) {
	h.Helper()
	if _, err := h.Gate.Decide(h.Context(), p, m.ID, gate.Decision{Approve: true, Digest: m.Digest}); err != nil {
		h.Errorf("%s: %v", name, err)
	}
}

// Anna consented, the client sent: Anna decides over that mail with no credential that she
// has or gets, whether it is a token of hers, a key of the name that she is bound to, or a
// token that this server gives her.
func TestWhoConsentedNeverDecidesWhatTheClientSent(t *testing.T) {
	h := newHouse(t, nil)
	other := h.approverBy(h.Operator, "other")
	m, second := h.held(h.tokens(anna, "read send").Access), h.held(h.tokens(anna, "read send").Access)
	h.clock.Forward(time.Minute)
	h.bind(anna, "anna")
	h.itself("a key of her name", h.approverBy(h.Operator, "anna"), m)
	granted, err := h.who(h.tokens(anna, "oversight oversight_read").Access)
	if err != nil || granted.ID() != "approver:anna" {
		t.Fatal(granted, err)
	}
	h.itself("a token of this server", granted, m)
	h.View(func(tx store.Tx) error {
		p, err := h.Registry.ByToken(tx, registry.Token{Issuer: anna.Issuer, Tenant: anna.Tenant, Object: anna.ID,
			Shape: registry.ShapePerson, Scopes: scopes("oversight"), Expires: h.clock.Now().Add(time.Hour)})
		if err == nil {
			h.itself("a token of the issuer", p, m)
		}
		return err
	})
	h.decides("another person", other, m)
	h.bind(boss, "boss")
	atBoss, err := h.who(h.tokens(boss, "oversight").Access)
	if err != nil {
		t.Fatal(err)
	}
	h.decides("another person by a token of this server", atBoss, second)
}

// An admin who consented decides nothing with any credential, has no approver of its name, and
// makes nobody one.
func TestAnAdminWhoConsentedNeverDecidesWhatTheClientSent(t *testing.T) {
	h := newHouse(t, nil)
	other := h.approverBy(h.Operator, "other")
	got := h.must(h.redeem(h.code(h.begin("read send"), h.signInAdmin(h.admin))))
	m := h.held(got.Access)
	if id := m.Identity; id == nil || id.Person != (mail.Person{Issuer: registry.LocalIssuer, ID: "admin:root"}) {
		t.Errorf("the mail is of %+v", id)
	}
	granted, err := h.who(h.must(h.redeem(h.code(h.begin("admin"), h.signInAdmin(h.admin)))).Access)
	if err != nil || granted.ID() != "admin:root" {
		t.Fatal(granted, err)
	}
	for name, p := range map[string]registry.Principal{"key": h.admin, "token": granted} {
		_, err := h.Gate.Decide(t.Context(), p, m.ID, gate.Decision{Approve: true, Digest: m.Digest})
		if !errors.Is(err, mail.ErrForbidden) {
			t.Errorf("the admin decides by a %s: %v", name, err)
		}
	}
	for name, by := range map[string]registry.Principal{"root": h.Operator, "more": h.admin} {
		err = h.DB.Update(t.Context(), func(tx store.Tx) error {
			_, _, err := h.Registry.AddKey(tx, by, registry.KeyRequest{Kind: registry.KindApprover, Owner: name,
				Scopes: scopes("oversight")})
			return err
		})
		if !errors.Is(err, registry.ErrForbidden) && !errors.Is(err, mail.ErrConflict) {
			t.Errorf("%s makes the approver %s: %v", by.ID(), name, err)
		}
	}
	if _, err = h.server.SignInAdmin(t.Context(), h.begin("read"), other); err == nil {
		t.Error("an approver signs in as an admin")
	}
	h.decides("another approver", other, m)
}

// Of a client that acts for itself nobody is the person, and every approver decides.
func TestNobodyIsThePersonOfAClientThatActsForItself(t *testing.T) {
	s := newSigner(t)
	m := s.held(s.must(s.request("1", nil)).Access)
	if !m.Identity.Person.IsZero() {
		t.Errorf("the mail is of %+v", m.Identity)
	}
	s.decides("an approver", s.approverBy(s.Operator, "ann"), m)
}
