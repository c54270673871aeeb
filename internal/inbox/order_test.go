package inbox_test

import (
	"slices"
	"testing"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// between lists the mail of a mailbox that stands between two places.
func (f *fixture) between(after, before mail.ID, newest bool, limit int) (out []mail.ID) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		list, err := f.Inbox.Between(tx, box, after, before, newest, limit)
		if len(list) > limit {
			f.Errorf("%d places, want at most %d", len(list), limit)
		}
		for _, p := range list {
			if p.Item != nil {
				if p.Item.Place != p.At {
					f.Errorf("%s stands at %s and says %s", p.Item.ID, p.At, p.Item.Place)
				}
				out = append(out, p.Item.ID)
			}
		}
		return err
	})
	return out
}

func (f *fixture) placeOf(id mail.ID) (at mail.ID) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) {
		at, err = f.Inbox.PlaceOf(tx, box, id)
		return err
	})
	return at
}

// The order in which mail is filed is the order in which it stands, whatever the ids say:
// a mail has its id before its transaction, which may end after that of a later one.
func TestMailStandsInTheOrderInWhichItsMailboxGotIt(t *testing.T) {
	f := build(t)
	var want []mail.ID
	for _, n := range []int{1, 5, 2, 7, 3, 6, 4} {
		want = append(want, f.post(box, n))
	}
	if got := f.between("", "", false, 100); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	if got := f.between("", "", true, 100); !slices.Equal(got, back) {
		t.Errorf("newest first: got %v, want %v", got, back)
	}
	for i, id := range want {
		at := f.placeOf(id)
		if got := f.between(at, "", false, 100); !slices.Equal(got, want[i+1:]) {
			t.Errorf("after %s: got %v, want %v", id, got, want[i+1:])
		}
		if got := f.between("", at, true, 100); !slices.Equal(got, back[len(want)-i:]) {
			t.Errorf("before %s: got %v, want %v", id, got, back[len(want)-i:])
		}
	}
	// Pages of any length lead through all of it.
	for limit := 1; limit < 12; limit++ {
		var got []mail.ID
		for at, n := mail.ID(""), limit; n == limit; {
			var list []inbox.Place
			f.View(func(tx store.Tx) (err error) {
				list, err = f.Inbox.Between(tx, box, at, "", false, limit)
				return err
			})
			for _, p := range list {
				if at = p.At; p.Item != nil {
					got = append(got, p.Item.ID)
				}
			}
			n = len(list)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: got %v, want %v", limit, got, want)
		}
	}
}

// What comes back is news, and what is gone leaves no place behind that shows anything.
func TestWhatComesBackStandsLast(t *testing.T) {
	f := build(t)
	a, b, c := f.post(box, 1), f.post(box, 2), f.post(box, 3)
	take := func(id mail.ID, do func(tx store.Tx, m *mail.Mail) error) {
		t.Helper()
		f.Update(func(tx store.Tx) error {
			m, err := f.Ledger.Load(tx, id)
			if err != nil {
				return err
			}
			return do(tx, m)
		})
	}
	take(b, f.Inbox.Unfile)
	if got := f.between("", "", false, 9); !slices.Equal(got, []mail.ID{a, c}) {
		t.Errorf("got %v", got)
	}
	take(b, f.Inbox.File)
	if got := f.between("", "", false, 9); !slices.Equal(got, []mail.ID{a, c, b}) {
		t.Errorf("got %v", got)
	}
	at := f.placeOf(b)
	take(b, f.Inbox.Unfile)
	if f.placeOf(b) != at || at <= c {
		t.Errorf("a mail that went stood at %s, and now at %s", at, f.placeOf(b))
	}
	take(b, func(tx store.Tx, m *mail.Mail) error { m.State = mail.Erased; return f.Inbox.Unfile(tx, m) })
	f.View(func(tx store.Tx) error {
		return storetest.Records(tx).Scan(store.Prefix("inbox-late/"), func(key string, _ []byte) error {
			t.Errorf("%q is left", key)
			return nil
		})
	})
	if d := f.post(box, 0); f.placeOf(d) <= at {
		t.Error("a place was given twice")
	}
}

// A mailbox of an earlier program has no place written: everything stands where its id says.
func TestAMailboxWithoutPlacesGoesOnFromItsNewestMail(t *testing.T) {
	f := build(t)
	a, b := f.post(box, 1), f.post(box, 3)
	f.Update(func(tx store.Tx) error { return storetest.Records(tx).Delete("inbox-last/" + box.Key()) })
	c := f.post(box, 2)
	if got := f.between("", "", false, 9); !slices.Equal(got, []mail.ID{a, b, c}) {
		t.Errorf("got %v", got)
	}
}
