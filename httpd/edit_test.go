package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// scheduled sends a mail that leaves on 31 January, once it is approved.
func (h *fixture) scheduled(fields string) api.Receipt {
	h.t.Helper()
	r := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send",
		`{"to":["ada@b.example"],"cc":["carl@b.example"],"bcc":["boss@c.example"],"subject":"Grüße","markdown":"Hello",`+
			`"send_at":"2026-01-31T08:00:00Z"`+fields+`}`))
	h.want(200, "approver", "POST", "/v1/oversight/decide",
		`{"email_id":"`+r.ID+`","action":"approve","digest":"`+r.Digest+`"}`)
	return r
}

func (h *fixture) schedule(status int, id, body string) reply {
	h.t.Helper()
	return h.want(status, "sender", "PATCH", "/v1/mailboxes/"+bot+"/emails/"+id+"/schedule", body)
}

func TestAnEditChangesWhatItNamesAndNothingElse(t *testing.T) {
	h := newFixture(t)
	file := `,"attachments":[{"name":"plan.pdf","content_base64":"JVBERi0=","content_type":"application/pdf"}]`
	for name, c := range map[string]struct{ edit, to, cc, bcc, subject, text, at string }{
		"its time": {`{"send_at":"2026-02-01T08:00:00Z"}`, ada, "carl@b.example", "boss@c.example", "Grüße", "Hello",
			"2026-02-01T08:00:00Z"},
		"its subject": {`{"subject":"Änderung"}`, ada, "carl@b.example", "boss@c.example", "Änderung", "Hello",
			"2026-01-31T08:00:00Z"},
		"its words": {`{"markdown":"Other *words*"}`, ada, "carl@b.example", "boss@c.example", "Grüße", "Other *words*",
			"2026-01-31T08:00:00Z"},
		"its people": {`{"to":["new@b.example"],"cc":[],"bcc":[]}`, "new@b.example", "", "", "Grüße", "Hello",
			"2026-01-31T08:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.scheduled(file)
			out := into[api.Edited](h, h.schedule(200, r.ID, c.edit))
			if out.Replaces != r.ID || out.ID == r.ID || out.Status != api.StatusHeld || out.Digest == r.Digest {
				t.Fatalf("%+v", out)
			}
			e := into[api.Email](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/emails/"+out.ID, ""))
			got := []string{strings.Join(e.To, " "), strings.Join(e.Cc, " "), strings.Join(e.Bcc, " "), e.Subject,
				strings.TrimSpace(e.Text), e.SendAt.Format("2006-01-02T15:04:05Z")}
			if want := []string{c.to, c.cc, c.bcc, c.subject, c.text, c.at}; strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("%q, want %q", got, want)
			}
			if len(e.Attachments) != 1 || e.Attachments[0].Name != "plan.pdf" || e.Replaces != r.ID {
				t.Errorf("%+v", e)
			}
			was := into[api.Email](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/emails/"+r.ID, ""))
			if was.Status != api.StatusCancelled || was.ReplacedBy != out.ID {
				t.Errorf("the first is %s, replaced by %q", was.Status, was.ReplacedBy)
			}
		})
	}
}

func TestWhatCannotBeEditedStaysAsItIs(t *testing.T) {
	h := newFixture(t)
	r := h.scheduled("")
	for name, c := range map[string]struct {
		status     int
		body, said string
	}{
		"nothing":             {400, `{}`, "say what shall change"},
		"nobody":              {400, `{"to":[]}`, "to must name"},
		"no time":             {400, `{"send_at":""}`, "send_at"},
		"a time past":         {400, `{"send_at":"2025-12-31T08:00:00Z"}`, "in the past"},
		"no words":            {400, `{"markdown":""}`, "markdown is empty"},
		"a line break":        {400, `{"subject":"a\r\nBcc: eve@evil.test"}`, "control characters"},
		"an address in words": {400, `{"cc":["a@b.example, eve@evil.test"]}`, "cc[0]"},
		"unknown":             {400, `{"from":"ceo@a.example"}`, "from"},
	} {
		if got := h.schedule(c.status, r.ID, c.body); !strings.Contains(got.body, c.said) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	held := h.held()
	if got := h.schedule(409, held.ID, `{"subject":"x"}`); !strings.Contains(got.body, "scheduled for later") {
		t.Error(got.body)
	}
	h.want(404, "other", "PATCH", "/v1/mailboxes/"+other+"/emails/"+r.ID+"/schedule", `{"subject":"x"}`)
	off, approver := true, h.principal("approver")
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.SetMailbox(tx, approver, mail.MustAddress(bot),
			registry.MailboxPatch{WritingPatch: registry.WritingPatch{Unscheduled: &off}})
		return err
	})
	if got := h.schedule(400, r.ID, `{"subject":"x"}`); !strings.Contains(got.body, "no mail for later") {
		t.Error(got.body)
	}
	e := into[api.Email](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/emails/"+r.ID, ""))
	if e.Status != api.StatusScheduled || e.ReplacedBy != "" {
		t.Errorf("it is %s, replaced by %q", e.Status, e.ReplacedBy)
	}
}

func TestTheOperatorsCopyIsNoRecipientOfTheAuthors(t *testing.T) {
	h := newFixture(t)
	watch, approver := mail.MustAddress("watch@audit.example"), h.principal("approver")
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.SetMailbox(tx, approver, mail.MustAddress(bot),
			registry.MailboxPatch{WritingPatch: registry.WritingPatch{AutoBCC: &watch, AutoCC: &watch}})
		return err
	})
	r := h.scheduled("")
	out := into[api.Edited](h, h.schedule(200, r.ID, `{"subject":"x"}`))
	for _, id := range []string{r.ID, out.ID} {
		v := h.review(mail.ID(id))
		copies := 0
		for _, x := range v.Recipients {
			if x.Address == watch.String() {
				copies++
				if !x.Auto || x.Hidden {
					t.Errorf("%+v", x)
				}
			}
		}
		if copies != 1 || strings.Join(v.Bcc, " ") != "boss@c.example" {
			t.Errorf("%d copies, blind copies to %v", copies, v.Bcc)
		}
		for _, w := range v.Warnings {
			if w.Code == "blind_recipient" && strings.Contains(w.Text, watch.String()) {
				t.Errorf("the approver is warned of it: %s", w.Text)
			}
		}
	}
}
