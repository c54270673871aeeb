package httpd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// submit brings a mail to the gate as SMTP does.
func (h *fixture) submit(env mail.Envelope, raw string) mail.ID {
	h.t.Helper()
	r, err := h.Gate.Submit(context.Background(), h.principal("sender"), gate.Submission{
		Mailbox: mail.MustAddress(strings.ToLower(env.From.String())), Envelope: env, Door: "smtp",
		Raw: []byte(strings.ReplaceAll(raw, "\n", "\r\n"))})
	if err != nil {
		h.t.Fatal(err)
	}
	return r.Mail.ID
}

func (h *fixture) review(id mail.ID) api.Review {
	h.t.Helper()
	return into[api.Review](h, h.want(200, "approver", "GET", "/v1/oversight/pending/"+string(id), ""))
}

// warned returns the texts of the warnings of one code.
func warned(r api.Review, code message.WarningCode) (out []string) {
	for _, w := range r.Warnings {
		if w.Code == string(code) {
			out = append(out, w.Text)
		}
	}
	return out
}

func rcpts(list ...string) (out []mail.Rcpt) {
	for _, a := range list {
		out = append(out, mail.Rcpt{Addr: mail.MustAddress(a)})
	}
	return out
}

func TestAReviewShowsEveryDeliveryOption(t *testing.T) {
	h := newFixture(t)
	env := mail.Envelope{From: mail.MustAddress(bot), Ret: "FULL", EnvID: "q\x1b1",
		Rcpts: rcpts("ada@b.example", "boss@c.example")}
	env.Rcpts[0].Notify = []string{"NEVER"}
	env.Rcpts[1].ORcpt = "rfc822;eve@d.example"
	r := h.review(h.submit(env, "From: "+bot+
		"\nTo: ada@b.example, carl@b.example\nDate: Mon, 05 Jan 2026 03:04:05 +0000\n\nHello\n"))
	if o := r.Options; o.Ret != "FULL" || o.EnvID != `q\x1b1` || o.HoldFor == "" || o.HoldEnds.IsZero() {
		t.Errorf("got %+v", o)
	}
	if r.Recipients[0].Notify[0] != "NEVER" || r.Recipients[1].ORcpt != "rfc822;eve@d.example" || r.RecipientCount != 2 {
		t.Errorf("got %+v", r.Recipients)
	}
	for code, want := range map[message.WarningCode]string{
		message.WarnDelivery: "[NOTIFY=NEVER for ada@b.example ORCPT=rfc822;eve@d.example for boss@c.example RET=FULL " +
			"ENVID=q\\x1b1]",
		message.WarnBlind:    "[boss@c.example gets it, and To and Cc do not say so]",
		message.WarnNoRcpt:   "[carl@b.example stands in To or Cc and does not get it]",
		message.WarnDate:     "[Date says 2026-01-05T03:04:05Z; it was submitted at 2026-01-02T03:04:05Z]",
		message.WarnSpelling: "[]", message.WarnRepeat: "[]", message.WarnScheduled: "[]",
	} {
		if got := fmt.Sprint(warned(r, code)); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// What the mailbox is called is the registry's word, not the agent's.
func TestTheMailboxIsSpelledAsItIsAndNotAsTheAgentWrites(t *testing.T) {
	h := newFixture(t)
	odd := strings.ToUpper(bot[:1]) + bot[1:]
	id := h.submit(mail.Envelope{From: mail.MustAddress(odd), Rcpts: rcpts("ada@b.example")},
		"From: Bot <"+odd+">\nTo: ada@b.example\n\nHello\n")
	r := h.review(id)
	if r.From != bot || r.Mailbox != bot ||
		fmt.Sprint(warned(r, message.WarnSpelling)) != "[the mailbox is "+bot+"; the mail spells it Bot <"+odd+">]" {
		t.Errorf("from %s, mailbox %s, %+v", r.From, r.Mailbox, r.Warnings)
	}
	list := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
	if list.Emails[0].From != bot {
		t.Errorf("the list has %s", list.Emails[0].From)
	}
	if m, err := h.Queue.Mail(context.Background(), id); err != nil || m.Envelope.From.String() != bot {
		t.Errorf("MAIL FROM is %s, %v", m.Envelope.From, err)
	}
}

func TestPendingNamesWhoGetsItWhateverTheHeaderSays(t *testing.T) {
	h := newFixture(t)
	all := append(many(30), "spy@c.example")
	h.submit(mail.Envelope{From: mail.MustAddress(bot), Rcpts: rcpts(all...)},
		"From: "+bot+"\nTo: "+strings.Join(all[:30], ",\n ")+",\n nobody@d.example\n\nHello\n")
	list := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
	p := list.Emails[0]
	if p.RecipientCount != 31 || len(p.Recipients) != maxShownRecipients || p.Recipients[0].Address != "spy@c.example" ||
		!p.Recipients[0].Hidden || p.Recipients[1].Address != all[0] {
		t.Errorf("%d: %+v", p.RecipientCount, p.Recipients)
	}
	for _, rc := range p.Recipients {
		if rc.Address == "nobody@d.example" {
			t.Errorf("%s does not get it", rc.Address)
		}
	}
}

func TestAMailThatRepeatsAnEarlierOneSaysSo(t *testing.T) {
	h := newFixture(t)
	send := func(to, text string) mail.ID {
		return h.submit(mail.Envelope{From: mail.MustAddress(bot), Rcpts: rcpts(strings.Fields(to)...)},
			"From: "+bot+"\nSubject: "+h.clock.Now().String()+"\nContent-Type: text/html\n\n"+text+"\n")
	}
	first := send("ada@b.example carl@b.example", "<p>Please pay 10 EUR.")
	h.want(200, "approver", "POST", "/v1/oversight/decide", `{"email_id":"`+string(first)+`","action":"reject"}`)
	said := "[same recipients and text as " + string(first) + ", rejected, submitted 2026-01-02T03:04:05Z]"
	for _, c := range []struct{ name, to, text, want string }{
		{"the same", "carl@b.example ADA@b.example", "<p>Please <b>pay</b> 10 EUR!", said},
		{"another sum", "ada@b.example carl@b.example", "<p>Please pay 100 EUR.", "[]"},
		{"one recipient more", "ada@b.example carl@b.example eve@b.example", "<p>Please pay 10 EUR.", "[]"},
		{"no text", "ada@b.example carl@b.example", "", "[]"},
	} {
		if got := fmt.Sprint(warned(h.review(send(c.to, c.text)), message.WarnRepeat)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	h.clock.Forward(8 * 24 * time.Hour)
	if got := warned(h.review(send("ada@b.example carl@b.example", "<p>Please pay 10 EUR.")),
		message.WarnRepeat); got != nil {
		t.Errorf("after 8 days: %s", got)
	}
}

func TestOnlyTheNewestMailsAreComparedForARepetition(t *testing.T) {
	h := newFixture(t)
	send := func(text string) mail.ID {
		return h.submit(mail.Envelope{From: mail.MustAddress(bot), Rcpts: rcpts("ada@b.example")},
			"From: "+bot+"\n\n"+text+"\n")
	}
	send("pay")
	for range repeatMails - 1 {
		send("other")
	}
	if got := warned(h.review(send("pay")), message.WarnRepeat); len(got) != 1 {
		t.Errorf("the 50th: %s", got)
	}
	send("other")
	id := send("pay")
	if got := warned(h.review(id), message.WarnRepeat); len(got) != 1 { // the one before, not the first
		t.Errorf("the 52nd: %s", got)
	}
}
