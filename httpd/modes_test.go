package httpd

import (
	"fmt"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// overseen is how much a mailbox oversees mail of each kind. Outgoing: 0 leaves, 1 leaves
// with a copy to the operator, 2 waits for a decision, 3 is refused. Incoming: 0 is read by
// the agent, 1 waits for a decision.
type overseen struct{ listed, stranger, incoming int }

// less reports whether a oversees some kind of mail less than b.
func (a overseen) less(b overseen) bool {
	return a.listed < b.listed || a.stranger < b.stranger || a.incoming < b.incoming
}

// observe sends and receives mail, and looks at what becomes of it.
func (h *fixture) observe() (o overseen) {
	h.t.Helper()
	leaves := func(to string) int {
		body := fmt.Sprintf(`{"to":[%q],"subject":"s","markdown":"m"}`, to)
		r := h.do("sender", "POST", "/v1/mailboxes/"+bot+"/send", body)
		if r.status == 403 {
			return 3
		}
		if r.status != 202 {
			h.t.Fatalf("%d %s", r.status, r.body)
		}
		h.deliver()
		var m *mail.Mail
		h.View(func(tx store.Tx) (err error) {
			m, err = h.Ledger.Load(tx, mail.ID(into[api.Receipt](h, r).ID))
			return err
		})
		switch {
		case m.State == mail.Held:
			return 2
		case m.State != mail.Sent:
			h.t.Fatalf("the mail is %s", m.State)
		case m.Envelope.Rcpts[len(m.Envelope.Rcpts)-1].Copy:
			return 1
		}
		return 0
	}
	o.listed, o.stranger = leaves("listed@b.example"), leaves("ada@b.example")
	if m := h.arrive(brought(adasMail)); m.State == mail.Held {
		o.incoming = 1
	}
	return o
}

// inMode is a system whose mailbox an approver has put in a mode.
func inMode(t *testing.T, mode mail.Mode) *fixture {
	h := newFixture(t)
	h.want(201, "approver", "POST", allowPath, `{"pattern":"listed@b.example"}`)
	if mode != mail.GatedSend {
		h.setMode("approver", mode)
	}
	return h
}

func (h *fixture) setMode(as string, mode mail.Mode) reply {
	return h.do(as, "PATCH", "/v1/mailboxes/"+bot, fmt.Sprintf(`{"oversight_mode":%q}`, mode))
}

func (h *fixture) mode() (mode mail.Mode) {
	h.View(func(tx store.Tx) error {
		m, err := h.Registry.Mailbox(tx, mail.MustAddress(bot))
		mode = m.Mode
		return err
	})
	return mode
}

// Every pair of modes: an agent gets to none in which any kind of mail is overseen less, by
// either of its keys and by either operation. The operator may, and an approver.
func TestNoAgentAloneChangesToAModeThatOverseesAnyMailLess(t *testing.T) {
	seen := map[mail.Mode]overseen{}
	for _, mode := range mail.Modes {
		seen[mode] = inMode(t, mode).observe()
	}
	if fmt.Sprint(seen[mail.ReadOnly], seen[mail.GatedAll], seen[mail.GatedSend], seen[mail.Monitored],
		seen[mail.Autonomous]) != "{3 3 0} {2 2 1} {0 2 0} {1 1 0} {0 0 0}" {
		t.Fatalf("observed %+v", seen)
	}
	for _, from := range mail.Modes {
		for _, to := range mail.Modes {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				h := inMode(t, from)
				changesMode(h, from, to, seen[to].less(seen[from]))
				if got := h.observe(); got != seen[to] {
					t.Errorf("in %s it is %+v, want %+v", to, got, seen[to])
				}
			})
		}
	}
}

// changesMode asks for another mode as everybody, and at last as an approver.
func changesMode(h *fixture, from, to mail.Mode, looser bool) {
	for _, as := range []string{"reader", "sender"} {
		want := 200
		if looser {
			want = map[string]int{"reader": 403, "sender": 202}[as]
		}
		if r := h.setMode(as, to); r.status != want {
			h.t.Errorf("%s: %d %s, want %d", as, r.status, r.body, want)
		}
		if now := h.mode(); looser && now != from || !looser && now != to {
			h.t.Errorf("%s: the mailbox is in %s", as, now)
		}
		h.setMode("approver", from)
	}
	h.want(403, "reader", "POST", "/v1/mailboxes/"+bot+"/request-upgrade", fmt.Sprintf(`{"target_mode":%q}`, to))
	if looser {
		body := fmt.Sprintf(`{"oversight_mode":%q`, to)
		code := h.asksFor("sender", "PATCH", "/v1/mailboxes/"+bot, body+"}")
		h.want(404, "sender", "POST", "/v1/mailboxes/"+bot+"/upgrade", fmt.Sprintf(`{"code":%q}`, code))
		h.want(200, "sender", "PATCH", "/v1/mailboxes/"+bot, fmt.Sprintf(`%s,"approval_code":%q}`, body, code))
		if h.mode() != to {
			h.t.Errorf("by a code the mailbox is in %s", h.mode())
		}
		h.setMode("approver", from)
	}
	h.upgrades(from, to, looser)
	h.setMode("approver", from)
	if r := h.setMode("approver", to); r.status != 200 || h.mode() != to {
		h.t.Errorf("by an approver: %d %s", r.status, r.body)
	}
}

// upgrades asks by manage_upgrade.
func (h *fixture) upgrades(from, to mail.Mode, looser bool) {
	h.t.Helper()
	body := fmt.Sprintf(`{"target_mode":%q}`, to)
	if !looser {
		h.want(400, "sender", "POST", "/v1/mailboxes/"+bot+"/request-upgrade", body)
		return
	}
	h.want(200, "sender", "POST", "/v1/mailboxes/"+bot+"/request-upgrade", body)
	if h.mode() != from {
		h.t.Errorf("asking has changed the mode to %s", h.mode())
	}
	code := h.codes[len(h.codes)-1].Code
	h.want(200, "sender", "POST", "/v1/mailboxes/"+bot+"/upgrade", fmt.Sprintf(`{"code":%q}`, code))
	if h.mode() != to {
		h.t.Errorf("by manage_upgrade the mailbox is in %s", h.mode())
	}
	h.setMode("approver", from)
}
