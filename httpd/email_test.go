package httpd

import (
	"context"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

const emailsOf = "/v1/mailboxes/" + bot + "/emails"

func TestAMailboxListsWhatItSendsAndWhatItIsTold(t *testing.T) {
	h := newFixture(t)
	rejected, notice := h.rejected()
	held := h.held().ID
	sent := h.approved().ID
	h.deliver()
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"everything, newest first", "", []string{sent, held, notice, rejected}},
		{"what comes in", "?direction=inbound", []string{notice}},
		{"what goes out", "?direction=outbound", []string{sent, held, rejected}},
		{"of one status", "?status=pending_send_approval", []string{held}},
		{"sent", "?status=sent", []string{sent}},
		{"unread", "?status=unread", []string{notice}},
		{"none read", "?status=read", nil},
		{"newer than an id", "?since_id=" + notice, []string{sent, held}},
		{"newer than the newest", "?since_id=" + sent, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+c.query, ""))
			if got := ids(list.Emails); got != strings.Join(c.want, " ") || list.Cursor != "" {
				t.Errorf("got %s with cursor %q, want %v", got, list.Cursor, c.want)
			}
		})
	}
	for _, limit := range []string{"1", "2", "3", "4", "5"} {
		var all []api.Summary
		for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
			target := emailsOf + "?limit=" + limit
			if cursor != "" {
				target += "&cursor=" + cursor
			}
			page := into[api.Emails](h, h.want(200, "reader", "GET", target, ""))
			all, cursor = append(all, page.Emails...), page.Cursor
		}
		if got := ids(all); got != strings.Join([]string{sent, held, notice, rejected}, " ") {
			t.Errorf("pages of %s: %s", limit, got)
		}
	}
}

func ids(list []api.Summary) string {
	var out []string
	for _, v := range list {
		out = append(out, v.ID)
	}
	return strings.Join(out, " ")
}

func TestAFilterSkipsManyThatDoNotFit(t *testing.T) {
	h := newFixture(t)
	_, notice := h.rejected()
	for range 25 {
		h.held()
	}
	list := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?status=unread&limit=1", ""))
	if ids(list.Emails) != notice {
		t.Errorf("got %+v", list)
	}
}

func TestANoticeIsReadByItsAgentAlone(t *testing.T) {
	h := newFixture(t)
	about, notice := h.rejected()
	for _, c := range []struct{ as, status string }{{"socket", "unread"}, {"reader", "read"}, {"reader", "read"},
		{"socket", "read"}} {
		e := into[api.Email](h, h.want(200, c.as, "GET", emailsOf+"/"+notice, ""))
		if e.Status != c.status || e.About != about || e.ThreadID != about || e.Action != "rejected" ||
			!strings.Contains(e.Text, "not now") {
			t.Errorf("%s: got %+v", c.as, e)
		}
	}
}

func TestReadingAnothersMailIsRecorded(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	for _, c := range []struct {
		as, target, view string
	}{
		{"approver", "/v1/oversight/pending/" + id, "review"},
		{"approver", "/v1/oversight/pending/" + id + "?raw=1", "raw"},
		{"socket", emailsOf + "/" + id, "email"},
	} {
		h.want(200, c.as, "GET", c.target, "")
		e := h.entries()[0]
		if e.Kind != "content.read" || e.Mail != id || e.Facts["view"] != c.view {
			t.Errorf("%s: got %+v", c.target, e)
		}
	}
	n := len(h.entries())
	h.want(200, "reader", "GET", emailsOf+"/"+id, "")
	if len(h.entries()) != n {
		t.Error("an agent that reads its own mail is recorded")
	}
}

func TestAnAgentLearnsTheVerdictButNotWhoGaveIt(t *testing.T) {
	h := newFixture(t)
	rejected, _ := h.rejected()
	r := h.want(200, "reader", "GET", emailsOf+"/"+rejected, "")
	if e := into[api.Email](h, r); e.Decision == nil || e.Decision.Verdict != "rejected" ||
		e.Decision.Reason != "not now" || strings.Contains(r.body, "eve") {
		t.Errorf("got %s", r.body)
	}
	id := h.approved().ID
	e := into[api.Email](h, h.want(200, "reader", "GET", emailsOf+"/"+id, ""))
	if e.Decision == nil || e.Decision.Verdict != "approved" || e.ApprovedAt.IsZero() {
		t.Errorf("got %+v", e)
	}
}

func TestTheOversightCopyIsNotShownToTheAgent(t *testing.T) {
	h := newFixture(t)
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"monitored"}`)
	id := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send", draft)).ID
	h.deliver()
	if r := h.want(200, "reader", "GET", emailsOf+"/"+id, ""); strings.Contains(r.body, "eve@") {
		t.Errorf("got %s", r.body)
	}
	m := into[api.Mail](h, h.want(200, "admin", "GET", "/v1/mails/"+id, ""))
	if len(m.Recipients) != 2 || !m.Recipients[1].Copy || m.Release == nil || m.Release.Mode != "monitored" {
		t.Errorf("got %+v", m)
	}
}

func TestCancellingTwiceIsNoError(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	for range 2 {
		r := into[api.Receipt](h, h.want(200, "sender", "POST", emailsOf+"/"+id+"/cancel", ""))
		if r.Status != api.StatusCancelled {
			t.Errorf("got %+v", r)
		}
	}
	id = h.approved().ID
	h.deliver()
	h.want(409, "sender", "POST", emailsOf+"/"+id+"/cancel", "")
	h.want(404, "sender", "POST", "/v1/mailboxes/"+other+"/emails/"+id+"/cancel", "")
	h.want(400, "sender", "POST", emailsOf+"/"+id+"/cancel", `{"now":true}`)
}

func TestAWaitEndsWithTheDecision(t *testing.T) {
	h := newFixture(t)
	for _, verdict := range []string{"approve", "reject"} {
		r := h.held()
		got := make(chan reply, 1)
		go func() {
			w := httptest.NewRecorder()
			h.s.Handler().ServeHTTP(w, h.request("reader", "GET", emailsOf+"/"+r.ID+"?wait_seconds=45", ""))
			got <- reply{w.Code, w.Header(), w.Body.String()}
		}()
		h.want(200, "approver", "POST", "/v1/oversight/decide",
			`{"email_id":"`+r.ID+`","action":"`+verdict+`","digest":"`+r.Digest+`"}`)
		if e := into[api.Email](h, <-got); e.Decision == nil || e.Status == api.StatusHeld {
			t.Errorf("got %+v", e)
		}
	}
}

func TestAWaitForMailEndsWithTheNotice(t *testing.T) {
	h := newFixture(t)
	waiting := func(query string) chan api.Waited {
		got := make(chan api.Waited, 1)
		go func() {
			w := httptest.NewRecorder()
			h.s.Handler().ServeHTTP(w, h.request("reader", "GET", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=120"+query, ""))
			got <- into[api.Waited](h, reply{w.Code, w.Header(), w.Body.String()})
		}()
		return got
	}
	got := waiting("&sender=POSTMASTER&subject_contains=Rejected")
	_, notice := h.rejected()
	if w := <-got; !w.Found || ids(w.Emails) != notice {
		t.Errorf("got %+v", w)
	}
	got = waiting("&since_id=" + notice)
	_, second := h.rejected()
	if w := <-got; ids(w.Emails) != second {
		t.Errorf("got %+v", w)
	}
}

// still is a queue in which nothing moves.
type still struct {
	Reader
	m *mail.Mail
}

func (q still) Mail(context.Context, mail.ID) (*mail.Mail, error) { return q.m, nil }
func (q still) WatchMail(mail.ID) (<-chan struct{}, func())       { return make(chan struct{}), func() {} }

func TestAWaitEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mail.Mail{State: mail.Sending}
		s := &Server{o: Options{Queue: still{m: m}}, closing: make(chan struct{})}
		start := time.Now()
		got, err := s.awaitMail(context.Background(), m, 45*time.Second)
		if err != nil || got != m || time.Since(start) != 45*time.Second {
			t.Errorf("got %v, %v after %v", got, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := s.awaitMail(ctx, m, 45*time.Second); err == nil {
			t.Error("a client that went away is answered")
		}
		m.State = mail.Sent
		start = time.Now()
		if _, err := s.awaitMail(context.Background(), m, 45*time.Second); err != nil || time.Since(start) != 0 {
			t.Errorf("a finished mail is waited for: %v", err)
		}
	})
}

func TestUsageCountsTheStore(t *testing.T) {
	h := newFixture(t)
	h.approved()
	h.deliver()
	h.rejected()
	want := api.Usage{EmailsSent: 1, EmailsReceived: 1, OversightActions: 2}
	u := into[api.Usage](h, h.want(200, "reader", "GET", "/v1/usage", ""))
	if u.From, u.To = (time.Time{}), (time.Time{}); !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v", u)
	}
	h.clock.Forward(90 * 24 * time.Hour)
	h.approved()
	u = into[api.Usage](h, h.want(200, "reader", "GET", "/v1/usage", ""))
	if u.EmailsSent != 0 || u.EmailsReceived != 0 || u.OversightActions != 1 {
		t.Errorf("got %+v", u)
	}
	u = into[api.Usage](h, h.want(200, "reader", "GET", "/v1/usage?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", ""))
	if u.From, u.To = (time.Time{}), (time.Time{}); !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v", u)
	}
	u = into[api.Usage](h, h.want(200, "other", "GET", "/v1/usage?from=2026-01-01T00:00:00Z", ""))
	if u.EmailsSent+u.EmailsReceived+u.OversightActions != 0 {
		t.Errorf("another's usage: %+v", u)
	}
}
