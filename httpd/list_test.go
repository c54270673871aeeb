package httpd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// broken are bytes that no record can be read from, or only another thing.
var broken = []string{"", "{", "null", "{}", `{"id":"01JAAAAAAAAAAAAAAAAAAAAAAA"}`, "\x00\xff",
	strings.Repeat("[", 1000)}

func TestADamagedMailIsListedAsDamagedAndHidesNoOther(t *testing.T) {
	h := newFixture(t)
	first, bad, last := h.held().ID, h.held().ID, h.held().ID
	for _, b := range broken {
		h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+bad, []byte(b)) })
		for as, target := range map[string]string{
			"approver": "/v1/oversight/pending", "socket": "/v1/oversight/pending?limit=100",
			"admin": "/v1/mails", "reader": emailsOf,
		} {
			got := map[string]bool{}
			r := h.want(200, as, "GET", target, "")
			switch {
			case strings.HasPrefix(target, "/v1/oversight"):
				for _, m := range into[api.PendingList](h, r).Emails {
					got[m.ID] = m.Damaged
				}
			case strings.HasPrefix(target, "/v1/mails"):
				for _, m := range into[api.Mails](h, r).Mails {
					got[m.ID] = m.Damaged
				}
			default:
				for _, m := range into[api.Emails](h, r).Emails {
					got[m.ID] = m.Damaged
				}
			}
			if len(got) != 3 || got[first] || !got[bad] || got[last] {
				t.Errorf("%q, %s of %s: %v", b, target, as, got)
			}
		}
		h.want(200, "reader", "GET", "/v1/usage", "")
	}
	h.Update(func(tx store.Tx) error { return storetest.Records(tx).Delete("mail/" + bad) }) // its index entries stay
	if l := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", "")); len(l.Emails) != 3 {
		t.Errorf("a record that is gone: %+v", l)
	}
}

func TestADamagedNoticeIsListedAsDamagedAndHidesNoOther(t *testing.T) {
	h := newFixture(t)
	_, bad := h.rejected()
	_, good := h.rejected()
	for _, b := range broken {
		h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+bad, []byte(b)) })
		l := into[api.Emails](h, h.want(200, "reader", "GET", emailsOf+"?direction=inbound", ""))
		if len(l.Emails) != 2 || l.Emails[0].ID != good || l.Emails[0].Damaged || l.Emails[1].ID != bad ||
			!l.Emails[1].Damaged {
			t.Errorf("%q: %+v", b, l)
		}
		if w := into[api.Waited](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/wait", "")); ids(w.Emails) != good {
			t.Errorf("%q: waited for %+v", b, w)
		}
		h.want(200, "reader", "GET", "/v1/usage", "")
	}
}

func TestADamagedMailboxHidesNoMailFromItsApprover(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	var keys []string
	h.Update(func(tx store.Tx) error {
		keys = nil
		return storetest.Records(tx).Scan(store.Range{}, func(k string, _ []byte) error {
			if strings.HasPrefix(k, "registry/mailbox/") {
				keys = append(keys, k)
			}
			return nil
		})
	})
	if len(keys) == 0 {
		t.Fatal("no record of a mailbox was found")
	}
	h.Update(func(tx store.Tx) error {
		for _, k := range keys {
			if err := storetest.Records(tx).Put(k, []byte("{")); err != nil {
				return err
			}
		}
		return nil
	})
	l := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
	if len(l.Emails) != 1 || l.Emails[0].ID != id || l.Emails[0].Mode != "" {
		t.Errorf("got %+v", l)
	}
	h.want(200, "approver", "GET", "/v1/oversight/pending/"+id, "")
}

func TestADamagedAuditEntryHidesNoOther(t *testing.T) {
	h := newFixture(t)
	h.held()
	h.held()
	before := into[api.AuditLog](h, h.want(200, "admin", "GET", "/v1/audit-log?limit=100", ""))
	var entry, open string
	h.Update(func(tx store.Tx) error {
		return storetest.Records(tx).Scan(store.Range{}, func(k string, _ []byte) error {
			switch {
			case strings.HasPrefix(k, "audit/node/"):
				entry = k
			case strings.HasPrefix(k, "audit-open/node/") && open == "":
				open = k
			}
			return nil
		})
	})
	if entry == "" || open == "" {
		t.Fatalf("entry %q, openings %q", entry, open)
	}
	for n, key := range []string{entry, open} {
		h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put(key, []byte("{")) })
		l := into[api.AuditLog](h, h.want(200, "admin", "GET", "/v1/audit-log?limit=100", ""))
		damaged := 0
		for _, e := range l.Entries {
			if e.Damaged {
				damaged++
			}
		}
		if len(l.Entries) != len(before.Entries) || damaged != n+1 {
			t.Errorf("%s: %d of %d entries, %d damaged", key, len(l.Entries), len(before.Entries), damaged)
		}
	}
}

func TestEveryListIsBoundedByOctetsAndGoesOnAtItsCursor(t *testing.T) {
	h := newFixture(t)
	var want []string
	for i := range 30 {
		r := h.held()
		want = append(want, r.ID)
		// A record from before the limits of a submission.
		h.Update(func(tx store.Tx) error {
			b, err := storetest.Records(tx).Get("mail/" + r.ID)
			if err != nil {
				return err
			}
			long := strings.Repeat("s", 60_000+i)
			return storetest.Records(tx).Put("mail/"+r.ID,
				[]byte(strings.Replace(string(b), `"subject":"Hello"`, `"subject":"`+long+`"`, 1)))
		})
	}
	for as, target := range map[string]string{
		"approver": "/v1/oversight/pending?limit=100", "admin": "/v1/mails?limit=100", "reader": emailsOf + "?limit=100",
	} {
		seen, cursor, pages := map[string]bool{}, "", 0
		for {
			r := h.want(200, as, "GET", target+cursor, "")
			if len(r.body) > maxOctet+1024 {
				t.Errorf("%s: a page of %d octets", target, len(r.body))
			}
			v := into[struct {
				Emails, Mails []struct{ ID string }
				Cursor        string
			}](h, r)
			for _, m := range append(v.Emails, v.Mails...) {
				if seen[m.ID] {
					t.Errorf("%s: %s twice", target, m.ID)
				}
				seen[m.ID] = true
			}
			pages++
			if v.Cursor == "" {
				break
			}
			cursor = "&cursor=" + v.Cursor
		}
		if len(seen) != len(want) || pages < 2 {
			t.Errorf("%s: %d of %d mails on %d pages", target, len(seen), len(want), pages)
		}
	}
}

func TestOneItemThatNoPageHoldsIsListedAsDamaged(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	h.Update(func(tx store.Tx) error {
		b, err := storetest.Records(tx).Get("mail/" + id)
		if err != nil {
			return err
		}
		return storetest.Records(tx).Put("mail/"+id,
			[]byte(strings.Replace(string(b), `"subject":"Hello"`, `"subject":"`+strings.Repeat("s", 2<<20)+`"`, 1)))
	})
	l := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
	if len(l.Emails) != 1 || l.Emails[0].ID != id || !l.Emails[0].Damaged {
		t.Errorf("got %d", len(l.Emails))
	}
}

func TestAReviewIsMadeOnceForADigest(t *testing.T) {
	h := newFixture(t)
	r := h.held()
	target := "/v1/oversight/pending/" + r.ID
	first := h.want(200, "approver", "GET", target, "")
	if n := len(h.s.reviews.kept); n != 1 {
		t.Fatalf("%d reviews are kept, want 1", n)
	}
	second := h.want(200, "approver", "GET", target, "")
	if first.body != second.body {
		t.Errorf("two reviews differ:\n%s\n%s", first.body, second.body)
	}
	h.want(200, "approver", "POST", "/v1/oversight/decide", verdict(r, "reject", r.Digest, "no"))
	v := into[api.Review](h, h.want(200, "approver", "GET", target, ""))
	if v.State != "rejected" || len(v.Decisions) != 1 {
		t.Errorf("the standing of the mail was kept with its review: %+v", v)
	}
}

func TestReviewsAreKeptUpToASize(t *testing.T) {
	var c reviews
	text := strings.Repeat("w", maxReviews/10)
	for i := range 30 {
		c.put(mail.Digest(fmt.Sprint(i)), &message.Review{Subject: text})
		if c.size > maxReviews || len(c.kept) != c.recent.Len() {
			t.Fatalf("%d octets, %d reviews, %d in the list", c.size, len(c.kept), c.recent.Len())
		}
	}
	if c.get("0") != nil || c.get("29") == nil {
		t.Error("the oldest is kept or the newest is not")
	}
	c.put("large", &message.Review{Subject: strings.Repeat("w", maxReviews/4)})
	if c.get("large") != nil {
		t.Error("one review takes a quarter of the cache")
	}
}

func TestAnAgentReadingItsOwnMailRunsNoReview(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	h.want(200, "reader", "GET", emailsOf+"/"+id, "")
	if n := len(h.s.reviews.kept); n != 0 {
		t.Errorf("%d reviews were made", n)
	}
}

func TestHeavyWorkWaitsForItsTurn(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	for range cap(h.s.slots) {
		h.s.slots <- struct{}{}
	}
	for target, as := range map[string]string{
		"/v1/oversight/pending/" + id: "approver", emailsOf + "/" + id: "reader", "/v1/usage": "reader",
	} {
		// Long enough for an answer that waits for no turn, which would be 200.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if r := <-h.waiting(ctx, as, target, 1); r.status < 500 {
			t.Errorf("%s: answered %d while others work", target, r.status)
		}
		cancel()
	}
}
