//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// What an agent service such as Foundry does with nothing but the URL: it signs in, finds the
// tools of one agent, sends, waits for a person's decision and for an answer, and answers.
func TestAnAgentServiceGoesTheWholeWayFromTheURLAlone(t *testing.T) {
	h := start(t)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	signed := &signedClient{t: t, ask: func(start string) consented {
		return consent(t, start, "as the agent "+h.dev.Username, "KEY="+h.dev.AdminKey)
	}}
	session, err := signed.connect(ctx, h.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	agent := &mcpClient{t: t, s: session}
	if got, want := agent.tools(), h.mcp(h.dev.AgentKey).tools(); !slices.Equal(got, want) ||
		!slices.Contains(got, "send_email") || slices.Contains(got, "decide_email") {
		t.Errorf("it sees %v, and a key of the agent %v", got, want)
	}
	first := agent.held("Offer", nil)
	m := h.only("Offer")
	if m.ID != first.ID || m.Agent != h.dev.Username || m.Door != "mcp" {
		t.Errorf("pending shows %+v", m)
	}
	sent := string(h.approveAndCapture(m, 1))
	h.verify(h.captured(m.ID)[0], h.zone())

	id := messageID(t, sent)
	raw := "From: To <to@dest.test>\nTo: " + h.dev.Mailbox + "\nSubject: Re: Offer\n" +
		"Date: Fri, 01 Jan 2100 02:00:00 +0000\nMessage-ID: <2@dest.test>\nIn-Reply-To: <" + id + ">\n" +
		"References: <" + id + ">\n\nIs it valid?\n"
	must(t, command(t, "", nil, "swaks", "--server", "127.0.0.1", "--port", h.inboundPort(), "--from", "to@dest.test",
		"--to", h.dev.Mailbox, "--data", write(t, "mail", raw)))
	got := agent.call("wait_for_email", map[string]any{"timeout_seconds": 45,
		"filter": map[string]any{"sender": "to@dest.test"}})
	if got.failed || len(got.Emails) != 1 || got.Emails[0].ThreadID != first.ID {
		t.Fatalf("wait_for_email: %+v", got)
	}
	reply := agent.call("reply_email", map[string]any{"email_id": got.Emails[0].ID, "markdown": "Yes."})
	if reply.failed || reply.Status != "pending_send_approval" || reply.ThreadID != first.ID {
		t.Fatalf("reply_email: %+v", reply)
	}
	answer := string(h.approveAndCapture(h.only("Re: Offer"), 1))
	if !strings.Contains(answer, "In-Reply-To: <2@dest.test>\r\n") {
		t.Errorf("the answer does not thread:\n%s", answer)
	}
	if len(signed.asked) != 1 {
		t.Errorf("a person was asked %d times", len(signed.asked))
	}
}
