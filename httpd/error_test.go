package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestEveryErrorHasItsStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{fmt.Errorf("queue: %w", mail.ErrNotFound), 404, "not found"},
		{registry.ErrNotFound, 404, "not found"},
		{fmt.Errorf("gate: %w", mail.ErrStale), 409, "the mail has moved on"},
		{mail.ErrStale.Errorf("already approved by eve"), 409, "already approved by eve"},
		{registry.ErrExists, 409, "the name is taken"},
		{registry.ErrCredentials, 401, "authentication credentials invalid"},
		{registry.ErrForbidden, 403, "this credential may not do that"},
		{registry.ErrInvalid, 400, "malformed request"},
		{mail.ReasonReadOnly.Errorf("this mailbox is read_only"), 403, "this mailbox is read_only"},
		{mail.ReasonSelf.Errorf("who submits a mail can never decide over it"), 403,
			"who submits a mail can never decide over it"},
		{mail.ReasonAddress.Errorf("malformed address"), 400, "malformed address"},
		{mail.ReasonContent.Errorf("too deep"), 400, "too deep"},
		{mail.ErrTooLarge.Errorf("message too large"), 413, "message too large"},
		{mail.ReasonRecipients.Errorf("too many recipients"), 400, "too many recipients"},
		{mail.ErrFrozen.Errorf("frozen"), 503, "frozen"},
		{mail.ErrUnavailable.Errorf("cannot store").Because(store.ErrUnknown), 503, "cannot store"},
		{mail.ReasonDiskFull.Errorf("no space"), 503, "no space"},
		{mail.ReasonMailboxFull.Errorf("too much is held").Over(mail.LimitHeldSize), 507, "too much is held"},
		{fmt.Errorf("x: %w", store.ErrAborted), 503, "cannot do that now; try again later"},
		{store.ErrUnknown, 503, "cannot do that now; try again later"},
		{store.ErrClosed, 503, "cannot do that now; try again later"},
		{context.DeadlineExceeded, 503, "cannot do that now; try again later"},
		{missing("mail"), 404, "no such mail"},
		{errors.New("open /var/lib/keys/x: permission denied"), 500, "internal error"},
		{mail.ErrInternal.Errorf("open /var/lib/keys/x"), 500, "internal error"},
		{&mail.Error{Public: "of no kind"}, 500, "internal error"},
	} {
		status, body := translate(c.err)
		if status != c.status || body.Message != c.text {
			t.Errorf("%v: got %d %q, want %d %q", c.err, status, body.Message, c.status, c.text)
		}
	}
}

// One event, one record, and the cause is the operator's alone.
func TestTheCauseOfAnInternalErrorIsInTheLogAlone(t *testing.T) {
	h := newFixture(t)
	w := httptest.NewRecorder()
	h.s.fail(w, httptest.NewRequest("GET", "/x", nil), errors.New("open /secret/path\nlevel=INFO msg=forged"))
	r := reply{w.Code, w.Header(), w.Body.String()}
	e := into[api.Error](h, r)
	if r.status != 500 || e.Message != "internal error" || e.Ref == "" || strings.Contains(r.body, "secret") {
		t.Errorf("got %d %s", r.status, r.body)
	}
	logged := h.logs.String()
	if !strings.Contains(logged, "/secret/path") || !strings.Contains(logged, "ref="+e.Ref) ||
		strings.Count(logged, "\n") != 1 {
		t.Errorf("log: %s", logged)
	}
}

func TestWhatIsNotThereIsAnsweredInJSON(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/", 404}, {"GET", "/v1", 404}, {"GET", "/v1/nothing", 404}, {"GET", "/v1/mailboxes/x/y/z", 404},
		{"POST", "/health", 405}, {"PUT", "/v1/send", 405}, {"DELETE", "/v1/mailboxes", 405},
		{"GET", "/v1/oversight/decide", 405}, {"HEAD", "/v1/oversight/decide", 405},
	} {
		r := h.do("dev", c.method, c.target, "")
		if r.status != c.status || !strings.HasPrefix(r.body, `{"error":"`) {
			t.Errorf("%s %s: got %d %s", c.method, c.target, r.status, r.body)
		}
		if (r.header.Get("Allow") != "") != (c.status == 405) {
			t.Errorf("%s %s: Allow %q", c.method, c.target, r.header.Get("Allow"))
		}
	}
}

func TestQueriesAreReadStrictly(t *testing.T) {
	h := newFixture(t)
	for _, target := range []string{
		"/v1/mailboxes?x=1", "/v1/mailboxes/" + bot + "/emails?limit=1&limit=2", "/v1/mailboxes/" + bot + "/emails?limit=0",
		"/v1/mailboxes/" + bot + "/emails?limit=101", "/v1/mailboxes/" +
			bot + "/emails?limit=ten", "/v1/mailboxes/" + bot + "/emails?Limit=1",
		"/v1/mailboxes/" + bot + "/emails?cursor=x", "/v1/mailboxes/" +
			bot + "/emails?since_id=x", "/v1/mailboxes/" + bot + "/emails?%zz",
		"/v1/mailboxes/" + bot + "/emails?status=odd", "/v1/mailboxes/" + bot + "/emails?direction=up",
		"/v1/mailboxes/" + bot + "/wait?timeout_seconds=4", "/v1/mailboxes/" + bot + "/wait?timeout_seconds=121",
		"/v1/usage?from=yesterday", "/v1/usage?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "/v1/usage?from=202" +
			"0-01-01T00:00:00Z",
		"/v1/mails?state=new", "/v1/mails?mailbox=x", "/v1/audit-log?cursor=0", "/v1/audit-log?limit=101", "/v1/audit-" +
			"log/export?openings=yes",
		"/v1/audit-log/export?since=x",
	} {
		if r := h.do("socket", "GET", target, ""); r.status != 400 {
			t.Errorf("%s: got %d %s", target, r.status, r.body)
		}
	}
	id := h.held().ID
	for _, target := range []string{"/v1/mailboxes/" + bot + "/emails/" + id + "?wait_seconds=46",
		"/v1/oversight/pending/" + id + "?raw=yes"} {
		if r := h.do("socket", "GET", target, ""); r.status != 400 {
			t.Errorf("%s: got %d %s", target, r.status, r.body)
		}
	}
	for _, target := range []string{"/v1/mailboxes/bot", "/v1/mailboxes/nobody@a.example", "/v1/mails/x",
		"/v1/mails/01KDYAK34R2RTZM19FTWVYEZ1W",
		"/v1/mailboxes/" + bot + "/emails/x", "/v1/mailboxes/" +
			bot + "/emails/01KDYAK34R2RTZM19FTWVYEZ1W", "/v1/domains/b.example",
		"/v1/oversight/pending/..%2f..%2fx"} {
		if r := h.do("socket", "GET", target, ""); r.status != 404 {
			t.Errorf("%s: got %d %s", target, r.status, r.body)
		}
	}
}
