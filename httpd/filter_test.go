package httpd

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

func TestEachFilterShowsWhatFitsAndNothingElse(t *testing.T) {
	h := newFixture(t)
	send := func(subject, files string) string {
		return into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send",
			`{"to":["ada@b.example"],"subject":"`+subject+`","markdown":"m"`+files+`}`)).ID
	}
	offer := send("Your Offer", "")
	rejected, notice := h.rejected()
	h.clock.Forward(48 * time.Hour)
	file := send("Straße", `,"attachments":[{"name":"a.txt","content_base64":"YQ==","content_type":"text/plain"}]`)
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"a part of a subject", "subject_contains=oFFeR", []string{offer}},
		{"a subject beyond ASCII", "subject_contains=" + url.QueryEscape("STRASSE"), nil},
		{"the same letters", "subject_contains=" + url.QueryEscape("traß"), []string{file}},
		{"a part of a sender", "sender=POSTMASTER@", []string{notice}},
		{"two filters", "sender=postmaster&subject_contains=offer", nil},
		{"attachments", "has_attachments=true", []string{file}},
		{"attachments as 1", "has_attachments=1", []string{file}},
		{"false chooses nothing", "has_attachments=false", []string{file, notice, rejected, offer}},
		{"from a day on", "date_after=2026-01-03", []string{file}},
		{"before a day", "date_before=2026-01-03", []string{notice, rejected, offer}},
		{"between", "date_after=2026-01-02&date_before=2026-01-03T00:00:00Z", []string{notice, rejected, offer}},
		{"between in another zone", "date_after=2026-01-02T05:00:00%2B02:00&date_before=2026-01-02T23:30:00-01:00",
			[]string{notice, rejected, offer}},
		{"before all", "date_before=2026-01-01", nil},
		{"after all", "date_after=2027-01-01", nil},
		{"what only approvers see", "status=pending_inbound_approval", nil},
		{"flagged", "status=spam_flagged", nil},
		{"archived", "status=archived", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?"+c.query, ""))
			if got := ids(l.Emails); got != strings.Join(c.want, " ") || l.Cursor != "" {
				t.Errorf("got %s with cursor %q, want %v", got, l.Cursor, c.want)
			}
		})
	}
}

func TestADateIncludesItsMomentWhereItBeginsAndNotWhereItEnds(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	m, err := h.Queue.Mail(t.Context(), mail.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	at := url.QueryEscape(m.SubmittedAt.Truncate(time.Millisecond).Format(time.RFC3339Nano))
	for query, want := range map[string]string{"date_after=" + at: id, "date_before=" + at: ""} {
		if l := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?"+query, "")); ids(l.Emails) != want {
			t.Errorf("%s: %s", query, ids(l.Emails))
		}
	}
}

func TestFiltersThatCannotBeMeantAreRefused(t *testing.T) {
	h := newFixture(t)
	for _, query := range []string{"date_after=yesterday", "date_before=2026-13-01", "has_attachments=yes",
		"status=spam_quarantined", "status=pending_scan", "direction=both", "since_id=x", "cursor=x",
		"sender=" + strings.Repeat("a", 999), "subject_contains=" + strings.Repeat("a", 999), "from=a"} {
		if r := h.do("reader", "GET", emailsOf+"?"+query, ""); r.status != 400 {
			t.Errorf("%.40s: %d %s", query, r.status, r.body)
		}
	}
}

// A page reads no more than a bounded number of mails; a filter that fits nothing
// goes on by cursor.
func TestAFilterThatFitsNothingReadsABoundedNumber(t *testing.T) {
	h := newFixture(t)
	old := h.held().ID
	reads := &counting{Reader: h.s.o.Queue}
	h.s.o.Queue = reads
	reads.list = make([]queueListed, 0, maxScan+50)
	m, err := h.Queue.Mail(t.Context(), mail.ID(old))
	if err != nil {
		t.Fatal(err)
	}
	for n := range maxScan + 50 {
		one := *m
		one.ID = mail.NewID(h.clock.Now().Add(time.Duration(maxScan-n) * time.Second))
		reads.list = append(reads.list, queueListed{ID: one.ID, Mail: &one})
	}
	l := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?direction=outbound&subject_contains=nothing", ""))
	if len(l.Emails) != 0 || l.Cursor == "" || reads.n > maxScan+100 {
		t.Errorf("read %d, cursor %q", reads.n, l.Cursor)
	}
	l = into[api.Emails](h, h.want(200, "reader", "GET",
		emailsOf+"?direction=outbound&subject_contains=nothing&cursor="+l.Cursor, ""))
	if len(l.Emails) != 0 || l.Cursor != "" {
		t.Errorf("the rest has cursor %q", l.Cursor)
	}
}

type queueListed = queue.Listed

// counting is a queue with a long list, which counts what is read of it.
type counting struct {
	Reader
	list []queueListed
	n    int
}

func (c *counting) ByMailbox(
	_ context.Context, _ mail.Address, _ mail.Direction, before mail.ID, limit int,
) (out []queueListed, _ error) {
	for _, l := range c.list {
		if len(out) < limit && (before == "" || l.ID < before) {
			out = append(out, l)
		}
	}
	c.n += len(out)
	return out, nil
}

// A wait ends by 45 seconds whatever it asks for.
func TestAWaitForMailEndsBy45Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for asked, want := range map[int]time.Duration{5: 5 * time.Second, 45: 45 * time.Second, 120: 45 * time.Second} {
			s := &Server{o: Options{Queue: still{}, Now: time.Now}, closing: make(chan struct{})}
			start := time.Now()
			late, err := s.await(t.Context(), waitFor(asked), func() (<-chan struct{}, func()) {
				return make(chan struct{}), func() {}
			}, func() (bool, error) { return false, nil })
			if took := time.Since(start); !late || err != nil || took != want {
				t.Errorf("%d: %v, %v after %v", asked, late, err, took)
			}
		}
	})
}
