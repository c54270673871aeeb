package bounce_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

var (
	noon  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	bob   = mail.MustAddress("bob@b.test")
	one   = mail.MustAddress("one@a.test")
	two   = mail.MustAddress("two@a.test")
	about = mail.NewID(noon)
)

type fixture struct {
	*testing.T
	db *storetest.Memory
}

func build(t *testing.T) *fixture {
	return &fixture{t, storetest.NewMemory(noon)}
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.db.Update(context.Background(), fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) add(mailbox, to mail.Address, r bounce.Reason) (added bool) {
	f.Helper()
	f.update(func(tx store.Tx) (err error) {
		added, err = bounce.Add(tx, bounce.Entry{Address: to, Mailbox: mailbox, Reason: r, About: about, Code: "5.1.1"})
		return err
	})
	return added
}

func (f *fixture) found(mailbox, to mail.Address) (e bounce.Entry, found bool) {
	f.Helper()
	f.update(func(tx store.Tx) (err error) { e, found, err = bounce.Find(tx, mailbox, to); return err })
	return e, found
}

func (f *fixture) remove(to mail.Address, covers func(mail.Address) bool) (n int) {
	f.Helper()
	f.update(func(tx store.Tx) error {
		gone, err := bounce.Remove(tx, to, covers)
		n = len(gone)
		return err
	})
	return n
}

func everyone(mail.Address) bool { return true }

func TestAnAddressIsOnTheListOfOneMailbox(t *testing.T) {
	f := build(t)
	if !f.add(one, bob, bounce.HardBounce) {
		t.Error("not added")
	}
	want := bounce.Entry{Address: bob, Mailbox: one, Reason: bounce.HardBounce, About: about, Code: "5.1.1",
		CreatedAt: noon}
	e, found := f.found(one, mail.MustAddress("BOB@B.test"))
	want.ID = e.ID
	if !found || e != want || e.ID == "" {
		t.Errorf("got %+v", e)
	}
	if _, found := f.found(two, bob); found {
		t.Error("it keeps back the mail of another mailbox")
	}
	if _, found := f.found(one, mail.MustAddress("bob@b.test.example")); found {
		t.Error("it keeps back mail for another address")
	}
}

// A report may come a thousand times.
func TestAnAddressIsAddedOnce(t *testing.T) {
	f := build(t)
	f.add(one, bob, bounce.HardBounce)
	records := len(f.db.All())
	for range 1000 {
		if f.add(one, bob, bounce.Complaint) {
			t.Fatal("added again")
		}
	}
	if n := len(f.db.All()); n != records {
		t.Errorf("%d records became %d", records, n)
	}
	if e, _ := f.found(one, bob); e.Reason != bounce.HardBounce {
		t.Errorf("the reason became %s", e.Reason)
	}
}

func TestRemovingTakesTheAddressOffTheListsOfOnesOwnMailboxes(t *testing.T) {
	f := build(t)
	f.add(one, bob, bounce.HardBounce)
	f.add(two, bob, bounce.Complaint)
	f.add(one, mail.MustAddress("bob@b.test.example"), bounce.HardBounce)
	if n := f.remove(mail.MustAddress("Bob@b.test"), func(a mail.Address) bool { return a == one }); n != 1 {
		t.Errorf("removed %d", n)
	}
	if _, found := f.found(two, bob); !found {
		t.Error("removed from a mailbox that is not covered")
	}
	if n := f.remove(bob, everyone); n != 1 {
		t.Errorf("removed %d", n)
	}
	if n := f.remove(bob, everyone); n != 0 {
		t.Errorf("removed %d of none", n)
	}
	if _, found := f.found(one, mail.MustAddress("bob@b.test.example")); !found {
		t.Error("another address is gone too")
	}
}

func TestPagesShowEachEntryOnce(t *testing.T) {
	f := build(t)
	for i := range 25 {
		f.add(one, mail.MustAddress(fmt.Sprintf("r%02d@b.test", i)), bounce.HardBounce)
		f.add(two, mail.MustAddress(fmt.Sprintf("r%02d@b.test", i)), bounce.Complaint)
	}
	for _, tt := range []struct {
		name   string
		covers func(mail.Address) bool
		want   int
	}{{"all", everyone, 50}, {"one", func(a mail.Address) bool { return a == one }, 25},
		{"none", func(mail.Address) bool { return false }, 0}} {
		seen, cursor, pages := map[string]bool{}, "", 0
		for {
			var page []bounce.Entry
			f.update(func(tx store.Tx) (err error) {
				page, cursor, err = bounce.Page(tx, cursor, 7, tt.covers)
				return err
			})
			pages++
			for _, e := range page {
				seen[e.Address.String()+e.Mailbox.String()] = true
				if !tt.covers(e.Mailbox) {
					t.Errorf("%s: shows %s", tt.name, e.Mailbox)
				}
			}
			if cursor == "" || pages > 100 {
				break
			}
		}
		if len(seen) != tt.want {
			t.Errorf("%s: %d entries on %d pages, want %d", tt.name, len(seen), pages, tt.want)
		}
	}
}

func TestAPageLooksAtABoundedNumberOfEntries(t *testing.T) {
	f := build(t)
	for i := range 1500 {
		f.add(one, mail.MustAddress(fmt.Sprintf("r%04d@b.test", i)), bounce.HardBounce)
	}
	f.update(func(tx store.Tx) error {
		page, next, err := bounce.Page(tx, "", 20, func(mail.Address) bool { return false })
		if len(page) != 0 || next != "r0999@b.test/one@a.test" {
			t.Errorf("%d entries, next %q", len(page), next)
		}
		return err
	})
}

func TestADamagedRecordIsAnErrorAndNotAFreePass(t *testing.T) {
	f := build(t)
	f.add(one, bob, bounce.HardBounce)
	f.db.Edit(func(records map[string][]byte) {
		for k := range records {
			if k == "suppress/bob@b.test/one@a.test" {
				records[k] = []byte("{")
			}
		}
	})
	err := f.db.View(context.Background(), func(tx store.Tx) error {
		_, found, err := bounce.Find(tx, one, bob)
		if found {
			t.Error("found")
		}
		return err
	})
	if err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
