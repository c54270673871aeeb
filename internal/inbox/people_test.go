package inbox_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Who brought somebody in may leave the thread, and come back: the first that is shown to name
// somebody is always the one that is marked.
func TestWhoeverIsLeftBringsTheNewParticipant(t *testing.T) {
	const eve, dan = "eve@evil.test", "dan@dest.test"
	k := &talk{fixture: build(t)}
	first := k.comes(from("ada@dest.test", "pass"), id("a@x"))
	by := []inbox.Item{
		k.comes(from("ada@dest.test", "pass"), answers("a@x"), cc(eve)),
		k.comes(from("ada@dest.test", "pass"), answers("a@x"), cc(dan)),
		k.comes(from(eve, "pass"), answers("a@x"), cc(dan)),
		k.comes(from("EVE@evil.test", "pass"), answers("a@x")),
	}
	change := func(i inbox.Item, do func(store.Tx, *mail.Mail) error) {
		t.Helper()
		k.Update(func(tx store.Tx) error {
			m, err := k.Ledger.Load(tx, i.ID)
			if err != nil {
				return err
			}
			return do(tx, m)
		})
	}
	want := func(when string, all ...string) {
		t.Helper()
		k.View(func(tx store.Tx) error {
			var got []string
			list, err := k.Inbox.InThread(tx, box, first.Thread, "", 100)
			for _, i := range slices.Backward(list) {
				got = append(got, fmt.Sprint(i.New))
			}
			if !slices.Equal(got, all) {
				t.Errorf("%s: %q, want %q", when, got, all)
			}
			return err
		})
	}
	want("at first", "[]", "["+eve+"]", "["+dan+"]", "[]", "[]")
	change(by[0], k.Inbox.Unfile)
	want("the first is reported", "[]", "["+dan+"]", "["+eve+"]", "[]")
	change(by[1], k.Inbox.Unfile)
	want("and the second", "[]", "["+eve+" "+dan+"]", "[]")
	change(by[0], k.Inbox.File)
	want("the first is back", "[]", "["+eve+"]", "["+dan+"]", "[]")
	change(by[2], func(tx store.Tx, m *mail.Mail) error { m.State = mail.Erased; return k.Inbox.Unfile(tx, m) })
	want("the third is erased", "[]", "["+eve+"]", "[]")
	change(by[1], k.Inbox.File)
	want("the second is back", "[]", "["+eve+"]", "["+dan+"]", "[]")
	change(first, k.Inbox.Unfile)
	want("the thread has lost its first", "["+eve+" ada@dest.test]", "["+dan+"]", "[]")
	change(first, k.Inbox.File)
	want("and has it again", "[]", "["+eve+"]", "["+dan+"]", "[]")
}
