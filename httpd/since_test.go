package httpd

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

const waitOf = "/v1/mailboxes/" + bot + "/wait"

// letIn approves a mail that is held or in quarantine.
func (h *fixture) letIn(m *mail.Mail) {
	h.t.Helper()
	h.want(200, "approver", "POST", "/v1/oversight/decide",
		`{"email_id":"`+string(m.ID)+`","action":"approve","digest":"`+string(m.Digest)+`"}`)
}

// poll asks for what came since an id, page by page, and returns how often each mail is
// in the answers and with which id to ask next.
func (h *fixture) poll(since, more string, seen map[string]int) string {
	h.t.Helper()
	first := ""
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		target := emailsOf + "?limit=2" + more
		if since != "" {
			target += "&since_id=" + since
		}
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		page := into[api.Emails](h, h.want(200, "reader", "GET", target, ""))
		for _, e := range page.Emails {
			seen[e.ID]++
		}
		if cursor = page.Cursor; n == 0 {
			first = page.SinceID
		} else if page.SinceID != "" {
			h.t.Error("a later page has a since_id")
		}
	}
	return first
}

// Mail that waited for an approver comes after what its mailbox had by then.
func TestAPollGetsEachMailOnceHoweverLateItIsLetIn(t *testing.T) {
	h := newFixture(t)
	h.filtered()
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	var held []*mail.Mail
	for i := range 6 {
		subject := fmt.Sprintf("Subject: number %d", i)
		if i%2 == 1 {
			subject = "Subject: quarantined"
		}
		held = append(held, h.arrive(brought(with(adasMail, subject, fmt.Sprintf("Message-ID: <%d@x>", i)))))
	}
	seen, want := map[string]int{}, map[string]int{}
	since := h.poll("", "", seen)
	for _, group := range [][]int{{3, 4}, {0}, {}, {5, 1}} { // 2 is never let in
		for _, i := range group {
			h.letIn(held[i])
			want[string(held[i].ID)] = 1
		}
		if len(group) == 2 { // and mail of the agent's own
			want[h.held().ID] = 1
		}
		since = h.poll(since, "", seen)
		if !maps.Equal(seen, want) {
			t.Fatalf("after %v: seen %v, want %v", group, seen, want)
		}
	}
	for _, more := range []string{"&direction=inbound", "&status=unread", "&sender=ada", "&date_after=2026-01-01"} {
		seen := map[string]int{}
		h.poll(string(held[3].ID), more, seen)
		if seen[string(held[0].ID)] != 1 || seen[string(held[3].ID)]+seen[string(held[2].ID)] != 0 {
			t.Errorf("%s: %v", more, seen)
		}
	}
	// A hidden mail is no place that an unknown id is not.
	unknown := mail.IDAfter(held[2].ID, held[2].ID.Time())
	a, b := map[string]int{}, map[string]int{}
	h.poll(string(held[2].ID), "", a)
	h.poll(string(unknown), "", b)
	if !maps.Equal(a, b) || len(a) != 7 {
		t.Errorf("since a hidden mail %v, since an unknown one %v", a, b)
	}
	none := map[string]int{}
	h.poll(since, "&date_before=2026-01-01", none)
	if since = h.poll(since, "", none); len(none) != 0 {
		t.Errorf("nothing came, and %v did", none)
	}
	h.want(200, "approver", "POST", "/v1/emails/"+string(held[0].ID)+"/report-spam", "")
	again := h.letInAgain(held[0].ID)
	if h.poll(since, "", none); !maps.Equal(none, map[string]int{string(again): 1}) {
		t.Errorf("a mail came back, and %v did", none)
	}
}

// letInAgain lets a mail in that was reported.
func (h *fixture) letInAgain(id mail.ID) mail.ID {
	h.t.Helper()
	m, err := h.Queue.Mail(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	h.letIn(m)
	return id
}

func TestTheLastMailIsFoundBelowManyThatWentAway(t *testing.T) {
	for _, gone := range []int{1, fewPlaces - 1, fewPlaces, 3 * fewPlaces} {
		h := newFixture(t)
		arrive := func(i int) *mail.Mail {
			return h.arrive(brought(with(adasMail, fmt.Sprint("Subject: number ", i), fmt.Sprintf("Message-ID: <%d@x>", i))))
		}
		shown := arrive(-1)
		for i := range gone {
			h.want(200, "sender", "POST", "/v1/emails/"+string(arrive(i).ID)+"/report-spam", "")
		}
		if got := h.poll("", "", map[string]int{}); got != string(shown.ID) {
			t.Errorf("below %d: %q, want %s", gone, got, shown.ID)
		}
	}
}

func TestAWaitSinceAnIDFindsWhatWasLetInLate(t *testing.T) {
	h := newFixture(t)
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	early, late := h.arrive(brought(adasMail)), h.arrive(brought(adasMail))
	h.letIn(late)
	since := string(late.ID)
	waits, ends := make(chan struct{}, 100), make(chan struct{}, 100)
	h.s.o.Queue = watched{h.Queue, waits, ends}
	done := h.waiting(context.Background(), "reader", waitOf+"?timeout_seconds=120&since_id="+since, 1)
	<-waits
	h.letIn(early)
	w := into[api.Waited](h, <-done)
	if ids(w.Emails) != string(early.ID) || w.SinceID != string(early.ID) {
		t.Fatalf("got %+v", w)
	}
	list := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?since_id="+w.SinceID, ""))
	if len(list.Emails) != 0 || list.SinceID != w.SinceID {
		t.Errorf("and again: %+v", list)
	}
}

// What a wait is for may stand behind a flood of other mail, before it and while it waits.
func TestAWaitFindsWhatIsBehindAFlood(t *testing.T) {
	h := newFixture(t)
	first := string(h.arrive(brought(with(adasMail, "Subject: first"))).ID)
	wanted := string(h.arrive(brought(with(adasMail, "Subject: wanted"))).ID)
	for range 2*maxPage + 1 {
		h.arrive(brought(with(adasMail, "Subject: flood")))
	}
	for _, query := range []string{"", "&since_id=" + first} {
		w := into[api.Waited](h, h.want(200, "reader", "GET", waitOf+"?subject_contains=wanted"+query, ""))
		if ids(w.Emails) != wanted {
			t.Errorf("%q: got %+v", query, w)
		}
	}
	// More fits than an answer holds: what is left comes with the next one.
	seen := map[string]int{}
	for since, n := first, 0; n < 3; n++ {
		w := into[api.Waited](h, h.want(200, "reader", "GET", waitOf+"?since_id="+since, ""))
		for _, e := range w.Emails {
			seen[e.ID]++
		}
		since = w.SinceID
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if len(seen) != 2*maxPage+2 {
		t.Errorf("%d mails came", len(seen))
	}
}

// reading counts the keys that a store hands out.
type reading struct {
	store.Store
	keys *int
}

type countedRecords struct {
	store.Records
	keys *int
}

func (r countedRecords) Get(key string) ([]byte, error) { *r.keys++; return r.Records.Get(key) }

func (r countedRecords) Scan(over store.Range, fn func(string, []byte) error) error {
	return r.Records.Scan(over, func(k string, v []byte) error { *r.keys++; return fn(k, v) })
}

func (r reading) View(ctx context.Context, fn func(store.Tx) error) error {
	return r.Store.View(ctx, func(tx store.Tx) error {
		return fn(store.NewTx(countedRecords{storetest.Records(tx), r.keys}))
	})
}

// Each mail of a flood wakes the wait, and is all that it looks at then.
func TestAWakeUpLooksAtWhatCameSinceTheLast(t *testing.T) {
	h := newFixture(t)
	n := 0
	h.s.o.Store = reading{h.DB, &n}
	for _, bySince := range []bool{false, true} {
		since := mail.ID("")
		if first := h.arrive(brought(adasMail)).ID; bySince {
			since = first
		}
		l := &look{box: mail.MustAddress(bot), f: filter{since: since, subject: "wanted"}, last: since,
			found: newPage[api.Summary](maxPage)}
		var costs []int
		for range 60 {
			n = 0
			if err := h.s.look(t.Context(), l); err != nil || len(l.found.items) != 0 {
				t.Fatal(err, l.found.items)
			}
			costs = append(costs, n)
			h.arrive(brought(adasMail))
		}
		if costs[2] == 0 || costs[59] != costs[2] {
			t.Errorf("since %q: %v keys", since, costs)
		}
		h.arrive(brought(with(adasMail, "Subject: wanted")))
		if err := h.s.look(t.Context(), l); err != nil || len(l.found.items) != 1 {
			t.Error(err, l.found.items)
		}
	}
}
