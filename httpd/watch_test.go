package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// watcher is what package mcpbridge asks of a caller of this process.
type watcher interface {
	Watch(mailbox, email string) (changed <-chan struct{}, stop func())
}

// Whoever calls in-process is told when a mail is decided, delivered or refused by the next hop,
// and when a mailbox receives one; nothing else wakes it.
func TestACallerInProcessIsToldOfChanges(t *testing.T) {
	h := newFixture(t)
	w, ok := h.s.InProcess("mcp")(h.keys["sender"]).(watcher)
	if !ok {
		t.Fatal("a caller in-process cannot watch")
	}
	bounces := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send",
		strings.Replace(draft, "ada@b.example", "x@refuses.example", 1)))
	var m api.Receipt
	decide := func(r api.Receipt) {
		h.want(200, "approver", "POST", "/v1/oversight/decide",
			`{"email_id":"`+r.ID+`","action":"approve","digest":"`+r.Digest+`"}`)
	}
	for _, tt := range []struct {
		name, mailbox string
		email         func() string // "" for what the mailbox receives
		happens       func()
	}{
		{"a decision", bot, func() string { m = h.held(); return m.ID }, func() { decide(m) }},
		{"a delivery", bot, func() string { return m.ID }, h.deliver},
		{"a decision over another", bot, func() string { return bounces.ID }, func() { decide(bounces) }},
		{"a failure for good", bot, func() string { return bounces.ID }, h.deliver},
		{"mail that arrives", bot, func() string { return "" }, func() { h.arrive(brought("Subject: Hello\n\nHi\n")) }},
	} {
		changed, stop := w.Watch(tt.mailbox, tt.email())
		elsewhere, stopOther := w.Watch(other, "")
		unknown, stopUnknown := w.Watch(bot, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
		if woken(changed) {
			t.Errorf("%s: woken before it", tt.name)
		}
		tt.happens()
		if !woken(changed) || woken(elsewhere) || woken(unknown) {
			t.Errorf("%s: woken %t, elsewhere %t, for another mail %t", tt.name, woken(changed), woken(elsewhere),
				woken(unknown))
		}
		for _, stop := range []func(){stop, stopOther, stopUnknown} {
			stop()
		}
	}
	for id, want := range map[string]string{m.ID: "sent", bounces.ID: "send_failed"} {
		got := into[api.Email](h, h.want(200, "sender", "GET", "/v1/mailboxes/"+bot+"/emails/"+id, ""))
		if got.Status != want {
			t.Errorf("%s is %s, want %s", id, got.Status, want)
		}
	}
	never, stop := w.Watch("no address", "")
	h.arrive(brought("Subject: Hello\n\nHi\n"))
	if stop(); woken(never) {
		t.Error("what is no mailbox receives mail")
	}
}

// woken reports whether a watch has ended by now.
func woken(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
