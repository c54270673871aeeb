package httpd

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// index is a search that finds what it is told, whatever it is asked.
type index struct {
	ids     []mail.ID // newest first
	err     error
	box     string
	query   string
	rebuilt int
}

func (x *index) Search(
	_ context.Context, box mail.Address, query string, before mail.ID, limit int,
) ([]mail.ID, error) {
	x.box, x.query = box.String(), query
	var out []mail.ID
	for _, id := range x.ids {
		if (before == "" || id < before) && len(out) < limit {
			out = append(out, id)
		}
	}
	return out, x.err
}

func (x *index) Rebuild() { x.rebuilt++ }

func (h *fixture) found(target string) []string {
	h.t.Helper()
	var ids []string
	for _, e := range into[api.Emails](h, h.want(200, "reader", "GET", target, "")).Emails {
		ids = append(ids, e.ID)
	}
	return ids
}

// sent is a mail that somebody has submitted.
func (h *fixture) sent(as string) mail.ID {
	h.t.Helper()
	return mail.ID(into[api.Receipt](h, h.want(202, as, "POST", "/v1/send", draft)).ID)
}

// The index is not believed: it may be late, damaged or wrong.
func TestAQueryShowsOnlyWhatTheLedgerLetsTheMailboxSee(t *testing.T) {
	h := newFixture(t)
	x := &index{}
	h.s.o.Search = x
	own, foreign := h.sent("sender"), h.sent("other")
	x.ids = []mail.ID{mail.NewID(h.clock.Now()), foreign, own}
	if got := h.found(emailsOf + "?query=" + url.QueryEscape(`from:"a b" c`)); len(got) != 1 || got[0] != string(own) {
		t.Errorf("found %v, want %s", got, own)
	}
	if x.box != bot || x.query != `from:"a b" c` {
		t.Errorf("asked for %q in %s", x.query, x.box)
	}
	for target, want := range map[string]int{
		"?query=x&direction=outbound":        1,
		"?query=x&direction=inbound":         0,
		"?query=x&subject_contains=no+such":  0,
		"?query=x&since_id=" + string(own):   0,
		"?query=x&cursor=" + string(own):     0,
		"?query=x&cursor=" + string(foreign): 1,
		"?query=&direction=inbound":          0,
	} {
		if got := h.found(emailsOf + target); len(got) != want {
			t.Errorf("%s finds %v", target, got)
		}
	}
	h.want(404, "other", "GET", emailsOf+"?query=x", "")
}

func TestPagesOfAQueryFollowEachOther(t *testing.T) {
	h := newFixture(t)
	x := &index{}
	h.s.o.Search = x
	for range 5 {
		x.ids = append([]mail.ID{h.sent("sender")}, x.ids...)
	}
	seen, cursor := 0, ""
	for {
		page := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?query=x&limit=2&cursor="+cursor, ""))
		for _, e := range page.Emails {
			if e.ID != string(x.ids[seen]) {
				t.Errorf("item %d is %s, want %s", seen, e.ID, x.ids[seen])
			}
			seen++
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if seen != 5 {
		t.Errorf("%d items on the pages", seen)
	}
}

func TestAQueryThatIsNotMadeIsAnsweredWithWhatToDo(t *testing.T) {
	h := newFixture(t)
	h.want(503, "reader", "GET", emailsOf+"?query=x", "")
	x := &index{err: mail.ErrUnavailable.Errorf("the search index is being built; try again later")}
	h.s.o.Search = x
	r := h.want(503, "reader", "GET", emailsOf+"?query=x", "")
	if e := into[api.Error](h, r); e.Message != "the search index is being built; try again later" ||
		r.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", e)
	}
	h.want(200, "reader", "GET", emailsOf, "")
	x.err = mail.ErrInvalid.Errorf("query has no word to look for")
	h.want(400, "reader", "GET", emailsOf+"?query=*", "")
}

func TestAnAdminHasTheIndexMadeAnew(t *testing.T) {
	h := newFixture(t)
	x := &index{}
	h.s.o.Search = x
	h.want(403, "sender", "POST", "/v1/search/reindex", "")
	if done := into[api.Done](h, h.want(200, "admin", "POST", "/v1/search/reindex", "")); done.Status != "building" {
		t.Errorf("got %+v", done)
	}
	if e := h.entries()[0]; e.Kind != "search.rebuild" || x.rebuilt != 1 {
		t.Errorf("%d rebuilds, the entry %+v", x.rebuilt, e)
	}
}

// One request asks the index once: what does not fit the other filters is no end of the list.
func TestWhatAQueryFindsAndAFilterLeavesOutHasACursor(t *testing.T) {
	h := newFixture(t)
	x := &index{}
	h.s.o.Search = x
	last := h.sent("sender")
	for n := range 2*maxFound - 1 { // gone since the index has seen them
		x.ids = append(x.ids, mail.NewID(h.clock.Now().Add(time.Duration(2*maxFound-n)*time.Second)))
	}
	x.ids = append(x.ids, last)
	cursor := ""
	for ask, want := range []int{0, 1, 0} {
		page := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?query=x&cursor="+cursor, ""))
		if len(page.Emails) != want || (page.Cursor == "") != (ask == 2) {
			t.Fatalf("request %d: %d items, the cursor %q", ask, len(page.Emails), page.Cursor)
		}
		cursor = page.Cursor
	}
}

// gated is a search that ends when it is told.
type gated struct {
	index
	begun, end chan struct{}
}

func (x *gated) Search(
	ctx context.Context, box mail.Address, query string, before mail.ID, limit int,
) ([]mail.ID, error) {
	x.begun <- struct{}{}
	<-x.end
	return nil, nil
}

func TestAPrincipalHasOneSearchAtATime(t *testing.T) {
	h := newFixture(t)
	x := &gated{begun: make(chan struct{}, 10), end: make(chan struct{})}
	h.s.o.Search = x
	first := h.waiting(context.Background(), "reader", emailsOf+"?query=x", 1)
	<-x.begun
	r := h.want(429, "sender", "GET", emailsOf+"?query=y", "") // the same agent
	if e := into[api.Error](h, r); e.Message != "a search of yours is under way; wait for its answer, then ask again" ||
		r.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", e)
	}
	h.want(200, "reader", "GET", emailsOf, "")
	another := h.waiting(context.Background(), "other", "/v1/mailboxes/"+other+"/emails?query=x", 1)
	<-x.begun // nobody waits for the first
	close(x.end)
	for _, done := range []chan reply{first, another} {
		if got := <-done; got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	h.want(200, "reader", "GET", emailsOf+"?query=x", "")
	if n := len(h.s.finders.now); n != 0 {
		t.Errorf("%d principals are counted and nobody searches", n)
	}
}
