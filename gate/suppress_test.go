package gate_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// suppressed lists the suppression list as p sees it.
func (h *fixture) suppressed(p registry.Principal) string {
	h.Helper()
	page, next, err := h.Gate.Suppressed(h.ctx, p, "", 100)
	if err != nil || next != "" {
		h.Fatal(next, err)
	}
	var out []string
	for _, e := range page {
		out = append(out, string(e.Reason)+" "+e.Mailbox.String()+" "+e.Address.String()+" "+e.Code)
	}
	return strings.TrimSpace(strings.Join(out, "; "))
}

func TestASuppressedRecipientIsRefusedUntilAnApproverTakesItOffTheList(t *testing.T) {
	h := reporting(t)
	other := mail.MustAddress("two@example.test")
	two, _ := h.AddAgent("two", "", other)
	m, from := h.send(h.Submission("ada@dest.test"))
	h.bring(report(from["ada@dest.test"], "ada@dest.test", "failed", "5.1.1"))
	if got := h.suppressed(h.Operator); got != "hard_bounce bot@example.test ada@dest.test 5.1.1" {
		t.Fatalf("got %q", got)
	}

	_, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("bob@dest.test", "ADA@dest.test"))
	if reason(err) != "suppressed" || !strings.Contains(err.Error(), "ada@dest.test") {
		t.Errorf("got %v", err)
	}
	admit := func(p registry.Principal, box mail.Address, to string) string {
		return reason(h.Gate.AdmitRecipient(h.ctx, p, box, mail.MustAddress(to), nil))
	}
	for _, tt := range []struct {
		p    registry.Principal
		box  mail.Address
		to   string
		want string
	}{
		{h.Agent, h.Box, "ada@dest.test", "suppressed"}, {h.Agent, h.Box, "bob@dest.test", "<nil>"},
		{two, other, "ada@dest.test", "<nil>"},
	} {
		if got := admit(tt.p, tt.box, tt.to); got != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.box, tt.to, got, tt.want)
		}
	}
	s := h.Submission("ada@dest.test")
	s.Mailbox, s.Envelope.From = other, other
	s.Raw = []byte(strings.Replace(string(s.Raw), "bot@", "two@", 1))
	if _, err := h.Gate.Submit(h.ctx, two, s); err != nil {
		t.Errorf("another mailbox: %v", err)
	}

	ada := mail.MustAddress("Ada@dest.test")
	for _, p := range []registry.Principal{h.Admin, h.Agent} {
		if err := h.Gate.Unsuppress(h.ctx, p, ada); reason(err) != "scope" {
			t.Errorf("%s: %v", p.ID(), err)
		}
	}
	if err := h.Gate.Unsuppress(h.ctx, h.Approver, ada); err != nil {
		t.Fatal(err)
	}
	if err := h.Gate.Unsuppress(h.ctx, h.Approver, ada); reason(err) != "not_found" {
		t.Errorf("again: %v", err)
	}
	if got := admit(h.Agent, h.Box, "ada@dest.test"); got != "<nil>" {
		t.Errorf("afterwards: %s", got)
	}
	if kinds := h.kindsOf(m.ID); count(kinds, audit.SuppressAdd) != 1 || count(kinds, audit.SuppressRemove) != 1 {
		t.Errorf("got %v", kinds)
	}
	h.Intact()
}

func TestAComplaintSuppressesItsReaderForItsSenderAlone(t *testing.T) {
	for name, bring := range map[string]func(token string) gate.Delivery{
		"to its bounce address":   func(token string) gate.Delivery { return complaint(token, "x@isp.test") },
		"to abuse, by the sender": func(token string) gate.Delivery { return complaint("abuse@example.test", token) },
		"to postmaster": func(token string) gate.Delivery {
			return complaint("postmaster@example.test", strings.ToUpper(token))
		},
	} {
		h := reporting(t)
		m, from := h.send(h.Submission("ada@dest.test", "bob@dest.test"))
		for range 3 {
			h.bring(bring(from["bob@dest.test"]))
		}
		if got := h.suppressed(h.Operator); got != "complaint bot@example.test bob@dest.test" {
			t.Errorf("%s: %q", name, got)
		}
		if got := h.standings(m.ID); got != "sent delivered delivered" {
			t.Errorf("%s: %s", name, got)
		}
		_, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("bob@dest.test"))
		if reason(err) != "suppressed" || !strings.Contains(err.Error(), "complained") {
			t.Errorf("%s: %v", name, err)
		}
		h.Intact()
	}
}

func TestAForgedComplaintSuppressesNobody(t *testing.T) {
	h := reporting(t)
	_, from := h.send(h.Submission("ada@dest.test"))
	token := from["ada@dest.test"]
	for name, d := range map[string]gate.Delivery{
		"the address of the author": complaint("abuse@example.test", "bot@example.test"),
		"a token that is bent":      complaint("abuse@example.test", "aaaa"+token[4:]),
		"at another domain":         complaint("abuse@example.test", token[:56]+"@bounce.dest.test"),
		"to a mailbox":              complaint("bot@example.test", token),
	} {
		h.bring(d)
		if got := h.suppressed(h.Operator); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	fraud := complaint("abuse@example.test", token)
	fraud.Raw = []byte(strings.Replace(string(fraud.Raw), "Feedback-Type: abuse", "Feedback-Type: fraud", 1))
	h.bring(fraud)
	if got := h.suppressed(h.Operator); got != "" {
		t.Errorf("of fraud: %q", got)
	}
}

// A refusal at RCPT, or of the only recipient, says what a report would.
func TestARefusalByTheNextHopSuppressesOnlyWhomItIsAbout(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result mail.Result
		want   string
	}{
		{"not there", mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1", Alone: true},
			"hard_bounce bot@example.test ada@dest.test 5.1.1"},
		{"the domain takes none", mail.Result{Permanent: true, Enhanced: "5.1.10", Alone: true},
			"hard_bounce bot@example.test ada@dest.test 5.1.10"},
		{"one of several", mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1"}, ""},
		{"no code", mail.Result{Permanent: true, Code: 550, Alone: true}, ""},
		{"policy", mail.Result{Permanent: true, Code: 550, Enhanced: "5.7.1", Alone: true}, ""},
		{"another address failure", mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.8", Alone: true}, ""},
		{"full", mail.Result{Permanent: true, Code: 552, Enhanced: "5.2.2", Alone: true}, ""},
	} {
		h := build(t)
		h.Hop.Answer = func(mail.Address) mail.Result { return tt.result }
		if m, _ := h.send(h.Submission("ada@dest.test")); m.State != mail.Failed {
			t.Fatalf("%s: %s", tt.name, m.State)
		}
		if got := h.suppressed(h.Operator); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		h.Intact()
	}
}

func TestTheOversightAddressIsNeverSuppressed(t *testing.T) {
	h := reporting(t)
	h.SetMode(mail.Monitored)
	// The author names it too: it is the author's recipient, and owed.
	_, from := h.send(h.Submission("boss@example.test", "ada@dest.test"))
	h.bring(report(from["boss@example.test"], "boss@example.test", "failed", "5.1.1"))
	h.bring(complaint("abuse@example.test", from["boss@example.test"]))
	if got := h.suppressed(h.Operator); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestWhoeverIsLimitedToMailboxesSeesAndChangesTheirsAlone(t *testing.T) {
	h := reporting(t)
	other := mail.MustAddress("two@example.test")
	h.AddAgent("two", "", other)
	limited, _, _ := h.AddKey(registry.KeyRequest{Name: "kim", Kind: registry.KindApprover, Owner: "kim",
		Scopes: []registry.Scope{registry.ScopeOversight}, Mailboxes: []mail.Address{other}})
	_, from := h.send(h.Submission("ada@dest.test"))
	h.bring(report(from["ada@dest.test"], "ada@dest.test", "failed", "5.1.1"))
	if got := h.suppressed(limited); got != "" {
		t.Errorf("sees %q", got)
	}
	if err := h.Gate.Unsuppress(h.ctx, limited, mail.MustAddress("ada@dest.test")); reason(err) != "not_found" {
		t.Errorf("got %v", err)
	}
	if got := h.suppressed(h.Approver); !strings.HasPrefix(got, string(bounce.HardBounce)) {
		t.Errorf("got %q", got)
	}
}
