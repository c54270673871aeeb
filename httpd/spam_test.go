package httpd

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// filtered has the filter judge mail by its subject.
func (h *fixture) filtered() {
	h.t.Helper()
	h.filter = func(_ context.Context, m *mail.Mail, _ []byte) (mail.Spam, error) {
		for _, v := range []mail.Verdict{mail.SpamFlagged, mail.SpamQuarantined} {
			if strings.Contains(m.Header.Subject, string(v)) {
				return mail.Spam{Verdict: v, Score: 7.5, Reasons: []string{"a link to \x1b[2J nowhere"}, Filter: "test"}, nil
			}
		}
		return mail.Spam{Verdict: mail.SpamClean}, nil
	}
}

func (h *fixture) spamOf(as, query string) string {
	h.t.Helper()
	var ids []string
	for _, m := range into[api.SpamMails](h, h.want(200, as, "GET", "/v1/emails"+query, "")).Emails {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func TestAnAgentListsFlaggedMailOfItsMailboxesAndAnApproverQuarantinedMailToo(t *testing.T) {
	h := newFixture(t)
	h.filtered()
	h.arrive(brought(adasMail))
	flagged := string(h.arrive(brought(with(adasMail, "Subject: flagged"))).ID)
	kept := string(h.arrive(brought(with(adasMail, "Subject: quarantined"))).ID)
	elsewhere := brought(with(adasMail, "Subject: flagged"))
	elsewhere.To = []mail.Address{mail.MustAddress(other)}
	theirs := string(h.arrive(elsewhere).ID)
	h.key("narrow", h.principal("approver"), registry.KeyRequest{Kind: registry.KindApprover, Owner: "nan",
		Scopes: []registry.Scope{registry.ScopeOversightRead}, Mailboxes: []mail.Address{mail.MustAddress(other)}})
	for _, c := range []struct{ as, query, want string }{
		{"reader", "", flagged}, {"reader", "?status=spam_flagged", flagged}, {"reader", "?status=spam_quarantined", ""},
		{"other", "", theirs},
		{"approver", "", theirs + " " + kept + " " + flagged}, {"approver", "?status=spam_quarantined", kept},
		{"approver", "?status=spam_flagged", theirs + " " + flagged}, {"approver", "?limit=1", theirs},
		{"narrow", "", theirs}, {"narrow", "?status=spam_quarantined", ""},
	} {
		if got := h.spamOf(c.as, c.query); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.as, c.query, got, c.want)
		}
	}
	l := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?status=spam_flagged", ""))
	if ids(l.Emails) != flagged || l.Emails[0].SpamVerdict != "flagged" || l.Emails[0].SpamScore != 7.5 ||
		l.Emails[0].Status != "unread" {
		t.Errorf("check_inbox: %+v", l)
	}
	var pages []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		l := into[api.SpamMails](h, h.want(200, "approver", "GET", "/v1/emails?limit=1&cursor="+cursor, ""))
		for _, m := range l.Emails {
			pages = append(pages, m.ID)
		}
		cursor = l.Cursor
	}
	if !slices.Equal(pages, []string{theirs, kept, flagged}) {
		t.Errorf("page by page: %v", pages)
	}
}

// What an agent reports is gone for it at once; only an approver lets it back in, and
// names what it was shown.
func TestReportingHidesAMailAndOnlyAnApproverClearsIt(t *testing.T) {
	h := newFixture(t)
	m := h.arrive(brought(adasMail))
	id := string(m.ID)
	report, clear := "/v1/emails/"+id+"/report-spam", "/v1/emails/"+id+"/not-spam"
	got := into[api.SpamStatus](h, h.want(200, "sender", "POST", report, ""))
	if got != (api.SpamStatus{ID: id, Status: "spam_quarantined", UserLabel: "spam"}) {
		t.Errorf("reported: %+v", got)
	}
	h.want(404, "sender", "POST", report, "")
	h.want(404, "sender", "GET", emailsOf+"/"+id, "")
	digest := `{"digest":"` + string(m.Digest) + `"}`
	h.asksFor("sender", "POST", clear, digest)
	h.want(403, "watcher", "POST", clear, digest)
	h.want(400, "approver", "POST", clear, `{}`)
	h.want(409, "approver", "POST", clear, `{"digest":"`+strings.Repeat("0", 64)+`"}`)
	h.want(404, "sender", "GET", emailsOf+"/"+id, "")
	got = into[api.SpamStatus](h, h.want(200, "approver", "POST", clear, digest))
	if got != (api.SpamStatus{ID: id, Status: "unread", UserLabel: "not_spam"}) {
		t.Errorf("cleared: %+v", got)
	}
	h.want(200, "sender", "GET", emailsOf+"/"+id, "")
	h.want(409, "approver", "POST", clear, digest)
	held := h.held()
	h.want(409, "approver", "POST", "/v1/emails/"+held.ID+"/not-spam", `{"digest":"`+held.Digest+`"}`)
	if x, err := h.Queue.Mail(t.Context(), mail.ID(held.ID)); err != nil || x.State != mail.Held {
		t.Errorf("outgoing mail was released: %v, %v", x.State, err)
	}
	h.want(404, "sender", "POST", "/v1/emails/"+held.ID+"/report-spam", "")
}

// An approver's word about flagged mail leaves it where it is, and ends the flag.
func TestFlaggedMailIsCalledCleanByAnApprover(t *testing.T) {
	h := newFixture(t)
	h.filtered()
	m := h.arrive(brought(with(adasMail, "Subject: flagged")))
	plain := h.arrive(brought(adasMail))
	id := string(m.ID)
	clear, digest := "/v1/emails/"+id+"/not-spam", `{"digest":"`+string(m.Digest)+`"}`
	h.want(200, "reader", "GET", emailsOf+"/"+id, "")
	h.asksFor("sender", "POST", clear, digest)
	h.want(403, "watcher", "POST", clear, digest)
	h.want(400, "approver", "POST", clear, `{}`)
	h.want(409, "approver", "POST", clear, `{"digest":"`+strings.Repeat("0", 64)+`"}`)
	h.want(400, "approver", "POST", clear, `{"digest":"`+string(m.Digest)+`","reason":"`+strings.Repeat("x", 1001)+`"}`)
	h.want(409, "approver", "POST", "/v1/emails/"+string(plain.ID)+"/not-spam", `{"digest":"`+string(plain.Digest)+`"}`)
	flags := func() string {
		return ids(into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?status=spam_flagged", "")).Emails)
	}
	if flags() != id {
		t.Errorf("flagged: %s", flags())
	}
	got := into[api.SpamStatus](h, h.want(200, "approver", "POST", clear, digest))
	if got != (api.SpamStatus{ID: id, Status: "read", UserLabel: "not_spam"}) {
		t.Errorf("cleared: %+v", got)
	}
	if e := h.entries()[0]; e.Kind != "mail.clear" || e.Mail != id || e.Actor.ID != h.principal("approver").ID() {
		t.Errorf("recorded: %+v", e)
	}
	e := into[api.Email](h, h.want(200, "reader", "GET", emailsOf+"/"+id, ""))
	l := into[api.SpamMails](h, h.want(200, "reader", "GET", "/v1/emails", ""))
	if flags() != "" || e.SpamVerdict != "clean" || e.Status != "read" || len(l.Emails) != 0 {
		t.Errorf("it is still flagged: %q %+v %+v", flags(), e.Summary, l)
	}
	h.want(409, "approver", "POST", clear, digest)
	h.want(200, "sender", "POST", "/v1/emails/"+id+"/report-spam", "") // and unwanted again
	if got := into[api.SpamStatus](h, h.want(200, "approver", "POST", clear, digest)); got.Status != "unread" {
		t.Errorf("released: %+v", got)
	}
}

func TestIncomingMailIsListedForApproversWithItsSenderAndDecidedLikeAnyOther(t *testing.T) {
	h := newFixture(t)
	h.filtered()
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	out := h.held()
	forged := brought(with(adasMail, "From: Boss <boss@c.example>", "Subject: flagged"))
	forged.Arrival.Auth = mail.Authentication{SPF: mail.Check{Result: "pass"}, DMARC: mail.Check{Result: "fail"}}
	forged.Arrival.Warnings = []string{"a part could not be read"}
	in := h.arrive(forged)
	spam := h.arrive(brought(with(adasMail, "Subject: quarantined")))
	l := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
	if len(l.Emails) != 2 || l.Emails[0].ID != out.ID || l.Emails[0].Direction != "outbound" ||
		l.Emails[0].Arrived != nil {
		t.Fatalf("got %+v", l)
	}
	p := l.Emails[1]
	if p.ID != string(in.ID) || p.Direction != "inbound" || p.Status != "pending_inbound_approval" ||
		p.Mode != "gated_all" ||
		p.Arrived == nil || p.Arrived.Sender != ada || p.From != "boss@c.example" || p.Arrived.FromName != "Boss" ||
		p.Arrived.Authentication.DMARC != "fail" || p.Arrived.Authentication.SPF != "pass" || p.Spam == nil ||
		p.Spam.Verdict != "flagged" || strings.Contains(p.Spam.Reasons[0], "\x1b") || p.WaitsFor != "" {
		t.Errorf("got %+v %+v", p, p.Spam)
	}
	apart := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending?spam=1", ""))
	if len(apart.Emails) != 1 || apart.Emails[0].ID != string(spam.ID) {
		t.Errorf("apart: %+v", apart)
	}
	r := into[api.Review](h, h.want(200, "approver", "GET", "/v1/oversight/pending/"+string(in.ID), ""))
	codes := map[string]bool{}
	for _, w := range r.Warnings {
		codes[w.Code] = true
	}
	for _, want := range []string{"sender_unproven", "taken_for_spam", "unreadable"} {
		if !codes[want] {
			t.Errorf("no warning %s in %+v", want, r.Warnings)
		}
	}
	h.want(400, "approver", "POST", decidePath, `{"email_id":"`+r.ID+`","action":"approve"}`)
	h.want(409, "approver", "POST", decidePath, `{"email_id":"`+r.ID+`","action":"approve","digest":"`+out.Digest+`"}`)
	h.want(200, "approver", "POST", decidePath, `{"email_id":"`+r.ID+`","action":"approve","digest":"`+r.Digest+`"}`)
	e := into[api.Email](h, h.want(200, "reader", "GET", emailsOf+"/"+r.ID, ""))
	if e.Status != "read" || e.ApprovedAt.IsZero() || e.ApprovedBy != "reviewer" || e.FromName != "Boss" ||
		e.Authentication.DMARC != "fail" || len(e.Warnings) != 1 || strings.TrimSpace(e.Text) != "Is it still\nvalid?" {
		t.Errorf("got %+v", e)
	}
}

// Whoever wrote to us is told nothing: neither that it was rejected nor that it expired.
func TestRejectingIncomingMailSendsNothing(t *testing.T) {
	h := newFixture(t)
	before := h.stored()
	hidden := h.hiddenMails()
	h.deliver()
	if n := h.stored(); n != before || len(hidden) != 5 {
		t.Errorf("%d mails of ours more", n-before)
	}
	all, err := h.Queue.All(t.Context(), "", 100)
	if err != nil || len(all) != len(hidden) {
		t.Errorf("%d mails of %d deliveries, %v", len(all), len(hidden), err)
	}
}

// An agent cannot withdraw what comes in, held or not; an admin can.
func TestOnlyAnAdminCancelsIncomingMail(t *testing.T) {
	h := newFixture(t)
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	id := string(h.arrive(brought(adasMail)).ID)
	nowhere := h.want(404, "sender", "POST", emailsOf+"/"+string(mail.NewID(h.clock.Now()))+"/cancel", "")
	if r := h.want(404, "sender", "POST", emailsOf+"/"+id+"/cancel", ""); r.body != nowhere.body {
		t.Errorf("%s differs from %s", r.body, nowhere.body)
	}
	h.want(200, "admin", "POST", "/v1/mails/"+id+"/cancel", "")
	h.want(404, "reader", "GET", emailsOf+"/"+id, "")
}
