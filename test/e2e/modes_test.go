//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// Submission over SMTP, approval by id and digest, and delivery, for each mode.
func TestEachModeHoldsAndReleasesAsItSays(t *testing.T) {
	h := start(t)
	for _, c := range []struct {
		mode     string
		refused  bool
		held     bool
		to       []string
		delivery []string
	}{
		{"read_only", true, false, nil, nil},
		{"gated_all", false, true, []string{"a@dest.test", "b@other.test"}, []string{"a@dest.test", "b@other.test"}},
		{"gated_send", false, true, []string{"a@dest.test"}, []string{"a@dest.test"}},
		{"monitored", false, false, []string{"a@dest.test"}, []string{"a@dest.test", "oversight@example.test"}},
		{"autonomous", false, false, []string{"a@dest.test"}, []string{"a@dest.test"}},
	} {
		t.Run(c.mode, func(t *testing.T) {
			h := h.in(t)
			h.must("mailbox", "mode", h.dev.Mailbox, c.mode)
			s := h.login()
			if c.refused {
				s.do("MAIL FROM:<"+h.dev.Mailbox+">", "550 5.7.1")
				if code, body := h.http("POST", "/v1/send", `{"to":["a@dest.test"],"subject":"s","markdown":"m"}`); code != 403 {
					t.Errorf("the API: %d %s", code, body)
				}
				return
			}
			said := s.deliver(h.dev.Mailbox, c.to, h.message(c.mode), "250")
			id := queuedAs.FindStringSubmatch(said)
			if id == nil || strings.Contains(said, "held for approval") != c.held {
				t.Fatalf("%q", said)
			}
			if c.held {
				m := h.only(c.mode)
				if m.Mode != c.mode || h.state(m.ID) != "held" || len(h.captured(m.ID)) != 0 {
					t.Errorf("%+v", m)
				}
				h.must("approve", m.ID, "--digest", m.Digest)
			}
			h.until("delivery", func() bool { return len(h.captured(id[1])) == len(c.delivery) && h.state(id[1]) == "sent" })
			to := h.envelopeTo(id[1])
			slices.Sort(to)
			if !slices.Equal(to, c.delivery) {
				t.Errorf("delivered to %v, want %v", to, c.delivery)
			}
		})
	}
}

func TestAllowlistedMailIsNotHeldButAMixedListIs(t *testing.T) {
	h := start(t)
	h.must("allow", "add", h.dev.Mailbox, "*@partner.test")
	s := h.login()
	for _, c := range []struct {
		to   []string
		held bool
	}{
		{[]string{"a@partner.test"}, false},
		{[]string{"a@partner.test", "b@else.test"}, true},
		{[]string{"a@sub.partner.test"}, true},
		{[]string{"eve%evil.test@partner.test"}, true},
		{[]string{"evil.test!eve@partner.test"}, true},
	} {
		said := s.deliver(h.dev.Mailbox, c.to, h.message("x"), "250")
		if strings.Contains(said, "held for approval") != c.held {
			t.Errorf("%v: %q", c.to, said)
		}
	}
}

func TestAFreezeStopsMailUntilTheThaw(t *testing.T) {
	h := start(t)
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("frozen"), "250")
	m := h.only("frozen")
	h.must("freeze", "agent:demo", "--reason", "test")
	s.do("MAIL FROM:<"+h.dev.Mailbox+">", "451 4.7.1")
	h.must("approve", m.ID, "--digest", m.Digest)
	if st := h.state(m.ID); st != "ready" {
		t.Errorf("a frozen mail is %s", st)
	}
	h.must("thaw", "agent:demo")
	h.until("delivery", func() bool { return len(h.captured(m.ID)) == 1 })
}

func TestExpiredMailIsNotSentAndItsAuthorIsTold(t *testing.T) {
	h := start(t, "--approval-ttl", "2s")
	h.login().deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("late"), "250")
	m := h.only("late")
	h.until("expiry", func() bool { return h.state(m.ID) == "expired" })
	if r := h.cli("approve", m.ID, "--digest", m.Digest); r.code != 1 {
		t.Errorf("an expired mail was approved: %s", r.out)
	}
	_, body := h.http("GET", "/v1/mailboxes/"+h.dev.Mailbox+"/emails?direction=inbound", "")
	if !strings.Contains(body, `"action":"expired"`) || !strings.Contains(body, m.ID) {
		t.Errorf("the inbox has %s", body)
	}
	h.must("audit", "verify")
}
