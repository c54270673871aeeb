package httpd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

const replyTo = "/v1/mailboxes/" + bot + "/reply/"

// written returns the header and the body of a mail as it stands in the store.
func (h *fixture) written(id string) (textproto.MIMEHeader, string) {
	h.t.Helper()
	raw, err := h.Queue.Raw(h.t.Context(), mail.ID(id))
	if err != nil {
		h.t.Fatal(err)
	}
	head, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader()
	if err != nil {
		h.t.Fatal(err)
	}
	return head, string(raw)
}

func (h *fixture) replied(id, body string) api.Receipt {
	h.t.Helper()
	return into[api.Receipt](h, h.want(202, "sender", "POST", replyTo+id, body))
}

func TestAReplyIsAddressedAndThreadedAsAMailProgramDoes(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		name   string
		fields []string
		want   map[string]string
		warned bool
	}{
		{"to the sender", nil, map[string]string{"To": ada, "Cc": "", "Subject": "Re: Offer",
			"In-Reply-To": "<3@b.example>", "References": "<1@b.example> <2@a.example> <3@b.example>"}, false},
		{"to Reply-To", []string{"Reply-To: desk@b.example, Bob <bob@b.example>"},
			map[string]string{"To": "desk@b.example, bob@b.example"}, true},
		{"to a part of the same organisation", []string{"Reply-To: desk@mail.b.example"},
			map[string]string{"To": "desk@mail.b.example"}, true},
		{"to the sender, said twice", []string{"Reply-To: ADA@b.example"}, map[string]string{"To": "ADA@b.example"}, false},
		{"to another organisation", []string{"Reply-To: eve@evil.example"},
			map[string]string{"To": "eve@evil.example"}, true},
		{"one of several elsewhere", []string{"Reply-To: desk@b.example, eve@evil.example"},
			map[string]string{"To": "desk@b.example, eve@evil.example"}, true},
		{"the first of its thread", []string{"References:", "In-Reply-To:", "Subject: AW: WG: Angebot"},
			map[string]string{"Subject": "Re: WG: Angebot", "In-Reply-To": "<3@b.example>",
				"References": "<3@b.example>"}, false},
		{"an encoded subject", []string{"Subject: =?utf-8?q?Re=3A_Caf=C3=A9?="},
			map[string]string{"Subject": "=?utf-8?q?Re:_Caf=C3=A9?="}, false},
		{"a subject with a line break in it", []string{"Subject: =?utf-8?q?x=0D=0ABcc=3A_eve=40evil.example?="},
			map[string]string{"Subject": `Re: x\x0d\x0aBcc: eve@evil.example`, "Bcc": ""}, false},
		{"no Message-ID", []string{"Message-ID:"}, map[string]string{"In-Reply-To": "", "References": ""}, false},
		{"what programs should know", nil, map[string]string{"Auto-Submitted": "auto-replied"}, false},
		{"written by a person, it says", []string{"Auto-Submitted: no"}, map[string]string{"To": ada}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := h.arrive(brought(with(adasMail, c.fields...)))
			r := h.replied(string(m.ID), `{"markdown":"Yes, `+c.name+`."}`)
			head, raw := h.written(r.ID)
			for name, want := range c.want {
				if got := head.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if (len(r.Warnings) == 1) != c.warned || r.Status != api.StatusHeld || strings.Contains(raw, "wrote:") {
				t.Errorf("got %+v\n%s", r, raw)
			}
			sent, err := h.Queue.Mail(t.Context(), mail.ID(r.ID))
			if err != nil || len(sent.Envelope.Rcpts) != 1+strings.Count(head.Get("To"), ",") {
				t.Errorf("recipients %+v, %v", sent.Envelope.Rcpts, err)
			}
		})
	}
}

func TestAReplyTakesCopiesAndFilesAsGivenAndQuotesWhenAsked(t *testing.T) {
	h := newFixture(t)
	m := h.arrive(brought(adasMail))
	body := `{"markdown":"Yes.","quote":true,"cc":["carl@b.example"],"bcc":["boss@c.example"],` +
		`"attachments":[{"name":"a.txt","content_base64":"YQ==","content_type":"image/png"}],"idempotency_key":"k"}`
	r := h.replied(string(m.ID), body)
	e := into[api.Email](h, h.want(200, "reader", "GET", emailsOf+"/"+r.ID, ""))
	want := "Yes.\n\nOn Thu, 1 Jan 2026 at 21:59 UTC, Ada Lovelace <ada@b.example> wrote:\n\n> Is it still\n> valid?"
	if diff := cmp.Diff(want, e.Text); diff != "" || len(e.Attachments) != 1 ||
		!cmp.Equal(e.Cc, []string{"carl@b.example"}) || !cmp.Equal(e.Bcc, []string{"boss@c.example"}) {
		t.Errorf("%+v\n%s", e, diff)
	}
	again := into[api.Receipt](h, h.want(200, "sender", "POST", replyTo+string(m.ID), body))
	if again.ID != r.ID || !again.Idempotent {
		t.Errorf("repeated: %+v", again)
	}
	h.want(409, "sender", "POST", replyTo+string(m.ID), `{"markdown":"No.","idempotency_key":"k"}`)
	for _, bad := range []string{`{}`, `{"markdown":""}`, `{"markdown":"","quote":true}`,
		`{"markdown":"m","to":["eve@b.example"]}`,
		`{"markdown":"m","subject":"s"}`, `{"markdown":"m","cc":["eve"]}`, `{"markdown":"m\u0000"}`} {
		h.want(400, "sender", "POST", replyTo+string(m.ID), bad)
	}
}

func TestAReplyToOnesOwnMailGoesToItsRecipients(t *testing.T) {
	h := newFixture(t)
	first := h.approved()
	r := h.replied(first.ID, `{"markdown":"One more thing."}`)
	own, _ := h.written(first.ID)
	head, _ := h.written(r.ID)
	if head.Get("To") != ada || head.Get("Subject") != "Re: Hello" || head.Get("In-Reply-To") != own.Get("Message-Id") {
		t.Errorf("got %v", head)
	}
}

func TestWhatAProgramSentIsNotAnswered(t *testing.T) {
	h := newFixture(t)
	_, notice := h.rejected()
	null := brought(adasMail)
	null.From = mail.Address{}
	ids := map[string]string{"a notice": notice, "a null sender": string(h.arrive(null).ID)}
	for _, value := range []string{"auto-replied", "auto-generated", "Auto-Notified; x=y", "nonsense !"} {
		ids[value] = string(h.arrive(brought(with(adasMail, "Auto-Submitted: "+value))).ID)
	}
	ids["a mailing list"] = string(h.arrive(brought(with(adasMail, "List-Id: <list.b.example>"))).ID)
	ids["nobody to answer"] = string(h.arrive(brought(with(adasMail, "From: undisclosed"))).ID)
	before := h.stored()
	for name, id := range ids {
		if r := h.do("sender", "POST", replyTo+id, `{"markdown":"m"}`); r.status != 409 || !strings.Contains(r.body, "hint") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if n := h.stored(); n != before {
		t.Errorf("%d mails were stored", n-before)
	}
}

// Whatever the door: what answers says so in its header.
func TestNoDoorAnswersWhatIsNotToBeAnswered(t *testing.T) {
	h := newFixture(t)
	send := func(status int, thread string) {
		t.Helper()
		r := h.want(status, "sender", "POST", "/v1/mailboxes/"+bot+"/send",
			`{"to":["ada@b.example"],"markdown":"m",`+thread+`}`)
		if status == 409 && !strings.Contains(r.body, "not to be answered") {
			t.Errorf("%s: %s", thread, r.body)
		}
	}
	hidden := h.arrive(brought(with(adasMail, "Auto-Submitted: auto-replied", "Message-ID: <hidden@b.example>")))
	h.want(200, "sender", "POST", "/v1/emails/"+string(hidden.ID)+"/report-spam", "")
	send(202, `"subject":"s","in_reply_to":"<hidden@b.example>"`) // as one that never came
	send(202, `"subject":"s","in_reply_to":"<never@b.example>"`)
	list := []string{"List-Id: <list.b.example>", "Message-ID: <list@b.example>"}
	h.arrive(brought(with(adasMail, list...)))
	h.arrive(brought(with(adasMail, "Auto-Submitted: auto-replied", "Message-ID: <auto@b.example>")))
	before := h.stored()
	send(409, `"subject":"s","in_reply_to":"<never@b.example>"`)
	send(409, `"subject":"s","references":["<auto@b.example>","<never@b.example>"]`)
	send(409, `"subject":"Re: s"`)
	send(409, `"subject":"s","in_reply_to":"<auto@b.example>"`)
	send(409, `"subject":"s","in_reply_to":"auto@b.example","references":["other@b.example"]`)
	send(409, `"subject":"s","references":["<other@b.example>","<auto@b.example>"]`)
	send(409, `"subject":"s","in_reply_to":"<list@b.example>"`)
	if n := h.stored(); n != before {
		t.Errorf("%d mails were stored", n-before)
	}
	if e := h.entries()[0]; e.Kind != "submit.refuse" || e.Facts["reason"] != "no_answer" {
		t.Errorf("recorded: %+v", e)
	}
	send(202, `"subject":"s"`) // a new mail
	h.want(202, "other", "POST", "/v1/mailboxes/"+other+"/send",
		`{"to":["ada@b.example"],"subject":"s","markdown":"m","in_reply_to":"<auto@b.example>"}`)
	// The same message came directly, too: that one may be answered.
	direct := h.arrive(brought(with(adasMail, "Message-ID: <list@b.example>")))
	send(202, `"subject":"s","in_reply_to":"<list@b.example>"`)
	h.replied(string(direct.ID), `{"markdown":"Yes."}`)
	// A mail of one's own may always be followed up.
	own, _ := h.written(h.held().ID)
	send(202, `"subject":"s","in_reply_to":"`+own.Get("Message-Id")+`"`)
}

// Mail that the mailbox sent before its records named the thread has it in its bytes.
func TestAReplyToOldMailOfOnesOwnStaysInItsThread(t *testing.T) {
	h := newFixture(t)
	m := h.arrive(brought(adasMail))
	first := h.replied(string(m.ID), `{"markdown":"Yes."}`)
	key := "mail/" + first.ID
	h.Update(func(tx store.Tx) error {
		b, err := storetest.Records(tx).Get(key)
		var rec map[string]any
		if err == nil {
			err = json.Unmarshal(b, &rec)
		}
		if err != nil {
			return err
		}
		head := rec["header"].(map[string]any)
		if head["references"] == nil || head["in_reply_to"] == nil {
			t.Error("the record has no thread at all")
		}
		delete(head, "references")
		delete(head, "in_reply_to")
		if b, err = json.Marshal(rec); err != nil {
			return err
		}
		return storetest.Records(tx).Put(key, b)
	})
	old, _ := h.written(first.ID)
	head, _ := h.written(h.replied(first.ID, `{"markdown":"One more thing."}`).ID)
	want := "<1@b.example> <2@a.example> <3@b.example> " + old.Get("Message-Id")
	if head.Get("References") != want || head.Get("In-Reply-To") != old.Get("Message-Id") {
		t.Errorf("got %v, want References %s", head, want)
	}
}

// What the mailbox does not show is not there, octet for octet.
func TestHiddenMailCannotBeAnswered(t *testing.T) {
	h := newFixture(t)
	hidden := h.hiddenMails()
	unknown := h.want(404, "sender", "POST", replyTo+string(mail.NewID(h.clock.Now())), `{"markdown":"m"}`)
	for name, id := range hidden {
		if r := h.do("sender", "POST", replyTo+string(id), `{"markdown":"m"}`); r.status != 404 || r.body != unknown.body {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if len(hidden) != 5 {
		t.Errorf("only %v", hidden)
	}
}

func TestAReplyIsRefusedWhereAMailWouldBe(t *testing.T) {
	h := newFixture(t)
	m := h.arrive(brought(adasMail))
	h.want(403, "reader", "POST", replyTo+string(m.ID), `{"markdown":"m"}`)
	h.want(404, "other", "POST", replyTo+string(m.ID), `{"markdown":"m"}`)
	h.want(404, "other", "POST", "/v1/mailboxes/"+other+"/reply/"+string(m.ID), `{"markdown":"m"}`)
	h.want(200, "sender", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"read_only"}`)
	h.want(403, "sender", "POST", replyTo+string(m.ID), `{"markdown":"m"}`)
}

// hiddenMails brings mail that the mailbox of the bot never shows: one of each kind.
func (h *fixture) hiddenMails() map[string]mail.ID {
	h.t.Helper()
	out := map[string]mail.ID{}
	decide := func(name, verdict string) {
		m := h.arrive(brought(with(adasMail, "Subject: "+name)))
		h.want(200, "approver", "POST", decidePath, `{"email_id":"`+string(m.ID)+`","action":"`+verdict+`"}`)
		out[name] = m.ID
	}
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	decide("rejected", "reject")
	expired := h.arrive(brought(with(adasMail, "Subject: expired")))
	out["expired"] = expired.ID
	h.clock.Forward(expired.HoldFor + 1)
	if err := h.Gate.Expire(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	out["held"] = h.arrive(brought(with(adasMail, "Subject: held"))).ID
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_send"}`)
	reported := h.arrive(brought(with(adasMail, "Subject: reported")))
	h.want(200, "sender", "POST", "/v1/emails/"+string(reported.ID)+"/report-spam", "")
	out["reported"] = reported.ID
	erased := h.arrive(brought(with(adasMail, "Subject: erased")))
	if err := h.Gate.Erase(h.t.Context(), erased.ID); err != nil {
		h.t.Fatal(err)
	}
	out["erased"] = erased.ID
	return out
}

// Two installations whose agents answer whatever comes would write to each other for ever:
// an answer says that a program wrote it, and the other side does not answer that.
func TestTwoInstallationsDoNotAnswerEachOther(t *testing.T) {
	one, two := newFixture(t), newFixture(t)
	first := one.arrive(brought(adasMail))
	answer := one.replied(string(first.ID), `{"markdown":"Yes."}`)
	raw, err := one.Queue.Raw(t.Context(), mail.ID(answer.ID))
	if err != nil {
		t.Fatal(err)
	}
	m := two.arrive(brought(strings.ReplaceAll(string(raw), "\r\n", "\n")))
	if r := two.do("sender", "POST", replyTo+string(m.ID), `{"markdown":"And you?"}`); r.status != 409 {
		t.Errorf("the other installation answers: %d %s", r.status, r.body)
	}
	fresh, err := one.Queue.Raw(t.Context(), mail.ID(one.held().ID))
	if err != nil {
		t.Fatal(err)
	}
	m = two.arrive(brought(strings.ReplaceAll(string(fresh), "\r\n", "\n")))
	if r := two.do("sender", "POST", replyTo+string(m.ID), `{"markdown":"And you?"}`); r.status != 409 {
		t.Errorf("the other installation answers a first mail of a program: %d %s", r.status, r.body)
	}
}
