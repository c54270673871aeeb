//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A daemon is killed while it erases, and goes on: nothing of the account comes back.
func TestAClosedAccountStaysClosedWhateverEndsTheDaemon(t *testing.T) {
	h := start(t)
	const mails = 150
	s := h.login()
	for n := range mails {
		s.deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message(fmt.Sprintf("secret plan %d", n)), "250")
	}
	h.comesIn("From: bob@far.test\r\nSubject: hello\r\n\r\nhello\r\n")
	h.must("webhook", "add", h.dev.HTTP+"/hook", "--event", "message.received")
	h.must("client", "add", "web", "--redirect", "http://127.0.0.1/back")
	if code, said := h.http("POST", "/v1/contacts", `{"name":"Ada","email":"ada@far.test"}`); code != 201 {
		t.Fatalf("contact: %d %s", code, said)
	}
	if r := h.cli("account", "delete"); r.code != 2 {
		t.Fatalf("without --yes: %+v", r)
	}
	if said := h.must("account", "delete", "--yes"); !strings.Contains(said, "closed") {
		t.Errorf("it says %s", said)
	}
	s.do("MAIL FROM:<"+h.dev.Mailbox+">", "421")
	for range 2 {
		h.restart(syscall.SIGKILL)
	}
	h.until("everything to be erased", func() bool {
		log := h.must("audit", "export")
		return strings.Count(log, "mail.erase") == mails+1 && strings.Contains(log, "contact.delete")
	})
	var left []map[string]any
	decode(t, h.must("mail", "list", "--all", "--json"), &left)
	for _, m := range left {
		if m["state"] != "erased" {
			t.Errorf("%v", m)
		}
	}
	if code, said := h.http("GET", "/v1/mailboxes", ""); code != 401 {
		t.Errorf("the agent is answered %d %s", code, said)
	}
	w := h.world()
	w.do("MAIL FROM:<bob@far.test>", "250")
	w.do("RCPT TO:<"+h.dev.Mailbox+">", "550 5.1.1")
	r := h.cli("mailbox", "add", "new@example.test", "--agent", "demo")
	if r.code != 1 || !strings.Contains(r.err, "closed") {
		t.Errorf("a mailbox is added: %+v", r)
	}
	h.must("audit", "verify")
	log := h.must("audit", "export")
	for _, kind := range []string{"account.close", "webhook.remove", "client.remove", "contact.delete", "mail.erase",
		"mailbox.delete", "agent.disable", "key.revoke"} {
		if !strings.Contains(log, kind) {
			t.Errorf("the log has no %s: %d octets", kind, len(log))
		}
	}
	if left := h.captured("*"); len(left) > 0 {
		t.Errorf("%v left", left)
	}
}
