package httpd

import (
	"context"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// meanwhile is a queue in which something happens around the reading of the bytes of a
// mail, once.
type meanwhile struct {
	Reader
	of            mail.ID
	before, after func()
}

func (m *meanwhile) Raw(ctx context.Context, id mail.ID) ([]byte, error) {
	if id != m.of {
		return m.Reader.Raw(ctx, id)
	}
	before, after := m.before, m.after
	m.before, m.after = nil, nil
	if before != nil {
		before()
	}
	raw, err := m.Reader.Raw(ctx, id)
	if after != nil {
		after()
	}
	return raw, err
}

// came is a mail in the inbox of the agent.
func (h *fixture) came() *mail.Mail {
	h.t.Helper()
	list, err := h.Gate.Receive(h.t.Context(), gate.Delivery{From: mail.MustAddress(ada),
		To: []mail.Address{mail.MustAddress(bot)}, Raw: letter{from: ada, subject: "Plans", id: "a@b.example",
			text: "words that go"}.raw(), Door: "smtp-in", Arrival: mail.Arrival{Helo: "mx", Remote: "192.0.2.1"}})
	if err != nil {
		h.t.Fatal(err)
	}
	return list[0]
}

// A mail may be reported or erased between the moment in which a request finds it and the
// one in which it reads its bytes, or has read them. The answer is that of a mail that
// never was.
func TestMailThatGoesWhileItIsReadIsNotHandedOut(t *testing.T) {
	h := newFixture(t)
	h.unlimited()
	approver := h.principal("approver")
	report := func(id mail.ID) error {
		_, err := h.Gate.ReportSpam(t.Context(), approver, id)
		return err
	}
	erase := func(id mail.ID) error { return h.Gate.Erase(t.Context(), id) }
	none := string(mail.NewID(h.clock.Now()))
	for name, ask := range map[string]func(id, ticket string) reply{
		"read_email": func(id, _ string) reply { return h.do("sender", "GET", emailsOf+"/"+id, "") },
		"get_attachment": func(id, _ string) reply {
			return h.do("sender", "GET", emailsOf+"/"+id+"/attachments/plan.pdf", "")
		},
		"no attachment": func(id, _ string) reply {
			return h.do("sender", "GET", emailsOf+"/"+id+"/attachments/none.pdf", "")
		},
		"download_attachment": func(id, _ string) reply {
			return h.do("sender", "GET", emailsOf+"/"+id+"/attachments/plan.pdf?json=1", "")
		},
		"get_attachment_url": func(id, _ string) reply {
			return h.do("sender", "GET", emailsOf+"/"+id+"/attachments/plan.pdf/url", "")
		},
		"reply_email": func(id, _ string) reply {
			return h.do("sender", "POST", "/v1/mailboxes/"+bot+"/reply/"+id, `{"markdown":"Yes.","quote":true}`)
		},
		"get_file": func(_, ticket string) reply { return h.do("nobody", "GET", "/v1/files/"+ticket, "") },
	} {
		want := ask(none, "nothing")
		for how, end := range map[string]func(mail.ID) error{"reported": report, "erased": erase} {
			for _, late := range []bool{false, true} {
				id := h.came().ID
				at := into[api.AttachmentURL](h, h.want(200, "sender", "GET",
					emailsOf+"/"+string(id)+"/attachments/plan.pdf/url", "")).URL
				happens := func() {
					if err := end(id); err != nil {
						t.Error(err)
					}
				}
				q := &meanwhile{Reader: h.Queue, of: id, before: happens}
				if late {
					q.before, q.after = nil, happens
				}
				h.s.o.Queue = q
				got := ask(string(id), at[strings.LastIndexByte(at, '/')+1:])
				h.s.o.Queue = h.Queue
				if got.status != 404 || got.body != want.body {
					t.Errorf("%s, %s, afterwards %v: %d %.200s, want %d %s", name, how, late, got.status, got.body,
						want.status, want.body)
				}
			}
		}
	}
}

// An approver is shown the thread as its mailbox has it.
func TestAThreadIsShownWithoutMailThatGoesWhileItIsRead(t *testing.T) {
	h := newFixture(t)
	id := h.came().ID
	answer := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/reply/"+string(id),
		`{"markdown":"Yes."}`)).ID
	const words = "words that go"
	if r := h.want(200, "approver", "GET", "/v1/oversight/pending/"+answer, ""); !strings.Contains(r.body, words) {
		t.Fatalf("the thread is not shown: %s", r.body)
	}
	h.s.o.Queue = &meanwhile{Reader: h.Queue, of: id, after: func() {
		if err := h.Gate.Erase(t.Context(), id); err != nil {
			t.Error(err)
		}
	}}
	if r := h.want(200, "approver", "GET", "/v1/oversight/pending/"+answer, ""); strings.Contains(r.body, words) {
		t.Errorf("an erased mail is shown: %s", r.body)
	}
}
