//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// headerClaims decodes the claims of a delivered mail, unchecked.
func headerClaims(t *testing.T, eml string) (c struct {
	AgentRef *string `json:"agent_ref"`
	TH       string  `json:"th"`
	Approval struct{ By, Ref string }
}) {
	t.Helper()
	_, rest, _ := strings.Cut(eml, "X-MultiMail-Identity: ")
	part := strings.Split(rest, ".")
	if len(part) < 3 {
		t.Fatalf("no identity header:\n%s", eml)
	}
	b, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// approvalEntry returns the hash of the entry of a mail's approval.
func (h *daemon) approvalEntry(id string) string {
	h.t.Helper()
	for line := range strings.Lines(h.must("audit", "export")) {
		var e struct{ Hash, Leaf string }
		if json.Unmarshal([]byte(line), &e) == nil && strings.Contains(e.Leaf, id) &&
			strings.Contains(e.Leaf, `"mail.approve"`) {
			return e.Hash
		}
	}
	h.t.Fatalf("no approval of %s in the log", id)
	return ""
}

// The setting of the mailbox says how the header names the agent, and the header
// names the entry of the approval by its hash.
func TestTheHeaderNamesTheAgentAsTheMailboxSays(t *testing.T) {
	const ref = "6f1e2d3c-0b1a-4c5d-8e9f-001122334455"
	h := start(t)
	_, domain, _ := strings.Cut(h.dev.Mailbox, "@")
	box := "named@" + domain
	var agent struct {
		Password string `json:"password"`
	}
	decode(t, h.must("agent", "add", "named", "--ref", ref, "--json"), &agent)
	h.must("mailbox", "add", box, "--agent", "named")
	for _, how := range []string{"plain", "hmac", "none"} {
		h.must("mailbox", "set", box, "--agent-ref", how)
		s := h.secure()
		s.do("EHLO test", "250")
		s.do("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00named\x00"+agent.Password)), "235")
		s.deliver(box, []string{"to@dest.test"}, strings.ReplaceAll(h.message(how), h.dev.Mailbox, box), "250")
		m := h.only(how)
		eml := string(h.approveAndCapture(m, 1))
		if r := command(t, eml, nil, binary, "verify", "-", "--data", h.data); r.code != 0 {
			t.Errorf("%s: exit %d %s%s", how, r.code, r.out, r.err)
		}
		c := headerClaims(t, eml)
		got := "absent"
		if c.AgentRef != nil {
			got = *c.AgentRef
		}
		ok := map[string]bool{"plain": got == ref, "hmac": len(got) == 22 && got != ref[:22], "none": got == "absent"}
		if !ok[how] {
			t.Errorf("%s: the header says %q", how, got)
		}
		entry, err := hex.DecodeString(h.approvalEntry(m.ID))
		if err != nil || len(entry) != 32 || c.Approval.Ref != base64.RawURLEncoding.EncodeToString(entry[:16]) {
			t.Errorf("%s: approval.ref %q, the entry has the hash %x, %v", how, c.Approval.Ref, entry, err)
		}
		if len(c.TH) != 22 {
			t.Errorf("%s: th %q", how, c.TH)
		}
	}
}
