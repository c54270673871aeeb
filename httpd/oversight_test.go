package httpd

import (
	"context"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

const decidePath = "/v1/oversight/decide"

func verdict(r api.Receipt, action, digest, reason string) string {
	b := `{"email_id":"` + r.ID + `","action":"` + action + `"`
	if digest != "" {
		b += `,"digest":"` + digest + `"`
	}
	if reason != "" {
		b += `,"reason":"` + reason + `"`
	}
	return b + "}"
}

func TestADecisionNamesWhatWasSeen(t *testing.T) {
	h := newFixture(t)
	r := h.held()
	for _, c := range []struct {
		name, body string
		want       int
		text       string
	}{
		{"approve without a digest", verdict(r, "approve", "", ""), 400, "digest is needed"},
		{"approve another digest", verdict(r, "approve", strings.Repeat("0", 64), ""), 409, "digest does not match"},
		{"reject another digest", verdict(r, "reject", strings.Repeat("0", 64), ""), 409, "digest does not match"},
		{"a digest in capitals", verdict(r, "approve", strings.ToUpper(r.Digest), ""), 400, "digest"},
		{"no action", `{"email_id":"` + r.ID + `"}`, 400, "action must be"},
		{"an action that is none", verdict(r, "approved", r.Digest, ""), 400, "action must be"},
		{"two actions", `{"email_id":"` + r.ID +
			`","action":"approve","decision":"reject","digest":"` + r.Digest + `"}`, 400, "differ"},
		{"no mail", `{"action":"reject"}`, 404, "no such mail"},
		{"a reason without end", verdict(r, "reject", "", strings.Repeat("x", 1001)), 400, "reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.do("approver", "POST", decidePath, c.body)
			if got.status != c.want || !strings.Contains(got.body, c.text) {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if m, err := h.Queue.Mail(context.Background(), mail.ID(r.ID)); err != nil || m.State != mail.Held {
				t.Fatalf("the mail is %v, %v", m, err)
			}
		})
	}
	d := into[api.Decided](h, h.want(200, "approver", "POST", decidePath, verdict(r, "approve", r.Digest, "fine")))
	if d.Status != "approved" || d.State != "ready" {
		t.Errorf("got %+v", d)
	}
	if e := h.entries()[0]; e.Kind != "mail.approve" || e.Actor.ID != "approver:eve" || e.Private["reason"] != "fine" {
		t.Errorf("got %+v", e)
	}
}

func TestTheFirstDecisionWinsAndIsNamed(t *testing.T) {
	h := newFixture(t)
	r := h.held()
	h.want(200, "approver", "POST", decidePath, verdict(r, "reject", "", ""))
	got := h.want(409, "dev", "POST", decidePath, verdict(r, "approve", r.Digest, ""))
	if !strings.Contains(got.body, "already rejected by approver:eve") {
		t.Errorf("got %s", got.body)
	}
}

// GET and HEAD never decide, wherever a scanner follows a link to.
func TestReadingChangesNothing(t *testing.T) {
	h := newFixture(t)
	r := h.held()
	for range 3 {
		for _, target := range []string{"/v1/oversight/decide?email_id=" +
			r.ID + "&action=approve&digest=" + r.Digest, "/v1/oversight/pending/" + r.ID, "/v1/oversight/pending"} {
			h.do("dev", "GET", target, "")
			h.do("dev", "HEAD", target, "")
		}
	}
	if m, err := h.Queue.Mail(context.Background(), mail.ID(r.ID)); err != nil || m.State != mail.Held ||
		m.Rev != r1(h, r.ID) {
		t.Errorf("got %v, %v", m, err)
	}
}

func r1(h *fixture, id string) int {
	return into[api.Mail](h, h.want(200, "admin", "GET", "/v1/mails/"+id, "")).Rev
}

func TestPendingIsPagedOldestFirst(t *testing.T) {
	h := newFixture(t)
	var want []string
	for range 5 {
		want = append(want, h.held().ID)
	}
	var got []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		page := into[api.PendingList](h, h.want(200, "watcher", "GET",
			"/v1/oversight/pending?limit=2"+map[bool]string{true: "&cursor=" + cursor}[cursor != ""], ""))
		for _, v := range page.Emails {
			got = append(got, v.ID)
		}
		cursor = page.Cursor
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What an agent writes about its mail is shown as its words, with what would
// move a terminal or turn the text around made visible.
func TestAReviewNeutralisesWhatOthersWrote(t *testing.T) {
	h := newFixture(t)
	r := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send",
		strings.Replace(edit("markdown", "harmless\u202e \x1b[2J"), "Hello", "He\u202ello", 1)))
	for _, target := range []string{"/v1/oversight/pending/" + r.ID, "/v1/oversight/pending"} {
		if got := h.want(200, "approver", "GET", target, ""); strings.ContainsAny(got.body, "\u202e\x1b") ||
			strings.Contains(got.body, `\u001b`) {
			t.Errorf("got %s", got.body)
		}
	}
}
