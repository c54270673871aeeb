package gate_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// setRef changes how the header names the agents of the mailbox.
func (h *fixture) setRef(ref mail.RefPolicy) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.SetMailbox(tx, h.Operator, h.Box, registry.MailboxPatch{RefPolicy: &ref})
		return err
	})
}

func TestAReleaseNamesTheAgentAsTheMailboxSays(t *testing.T) {
	h := build(t)
	agent, _, _ := h.bound()
	h.live()
	h.SetMode(mail.Autonomous)
	for ref, want := range map[mail.RefPolicy]string{
		mail.RefPlain: "bot-object", mail.RefHMAC: "bot-object", mail.RefNone: "",
	} {
		h.setRef(ref)
		r, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test"))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.candidate(r.Mail.ID).Mail.Release; got.AgentRef != want || got.RefPolicy != ref {
			t.Errorf("%s: %+v", ref, got)
		}
	}
}

// A claim that was prepared under another setting begins again, so that no mail
// leaves with a name that was to be hidden.
func TestAClaimUnderAnotherWayToNameTheAgentBeginsAgain(t *testing.T) {
	h := build(t)
	agent, _, _ := h.bound()
	h.live()
	h.SetMode(mail.Autonomous)
	r, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test"))
	if err != nil {
		t.Fatal(err)
	}
	c := h.candidate(r.Mail.ID)
	h.setRef(mail.RefNone)
	if _, err := h.Gate.Claim(h.ctx, c, lease); !errors.Is(err, gate.ErrTerms) {
		t.Errorf("claimed: %v", err)
	}
	h.claim(r.Mail.ID)
	if got := h.Mail(r.Mail.ID).Release; got.AgentRef != "" {
		t.Errorf("%+v", got)
	}
	h.Intact()
}

// The person that an agent acts for is a private field of the mail. A release has
// nothing that could hold it.
func TestAReleaseDoesNotNameThePersonBehindAnAgent(t *testing.T) {
	h := build(t)
	agent, _, _ := h.bound()
	h.live()
	h.SetMode(mail.Autonomous)
	r, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test"))
	if err != nil {
		t.Fatal(err)
	}
	m := h.candidate(r.Mail.ID).Mail
	if m.Identity == nil || m.Identity.Person.ID != "ann-object" {
		t.Fatalf("the mail is of %+v", m.Identity)
	}
	b, err := json.Marshal(m.Release)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{m.Identity.Person.ID, m.Identity.Tenant, m.Identity.Client, m.Identity.Blueprint} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the release holds %q: %s", secret, b)
		}
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields("mode basis by at ref operator agent_ref ref_policy verified capabilities")
	for name := range fields {
		if !slices.Contains(allowed, name) {
			t.Errorf("the release has a member %q: may the header say it?", name)
		}
	}
}

func TestCapabilitiesAreWhatTheModeLetsTheAgentDo(t *testing.T) {
	h := build(t)
	for _, mode := range mail.Modes {
		h.SetMode(mode)
		out := step.Step(step.Facts{State: mail.New, Mode: mode}, step.Submit)
		got := gate.Capabilities(mode)
		sends := slices.Contains(got, "send")
		if sends != (out.Answer != step.ReadOnly) || sends != slices.Contains(got, "schedule") ||
			!slices.Contains(got, "read") || slices.Contains(got, "reply") {
			t.Errorf("%s: %v, a submission is answered %v", mode, got, out.Answer)
		}
	}
}
