package inbox_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// setTags gives a mail tags.
func (f *fixture) setTags(id mail.ID, set map[string]string) (out map[string]string, err error) {
	f.Helper()
	err = f.DB.Update(ctx, func(tx store.Tx) (err error) {
		out, err = f.Inbox.SetTags(tx, box, id, set, false)
		return err
	})
	return out, err
}

func TestTagsAreMerged(t *testing.T) {
	f := build(t)
	id, other := f.post(box, 1), f.post(box, 2)
	for n, c := range []struct{ set, want map[string]string }{
		{map[string]string{"project": "a", "urgent": ""}, map[string]string{"project": "a", "urgent": ""}},
		{map[string]string{"project": "b"}, map[string]string{"project": "b", "urgent": ""}},
		{map[string]string{"été": "ü/?&"}, map[string]string{"project": "b", "urgent": "", "été": "ü/?&"}},
	} {
		got, err := f.setTags(id, c.set)
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%d: %v, %v", n, got, err)
		}
	}
	f.Update(func(tx store.Tx) error {
		for range 2 {
			had, err := f.Inbox.DeleteTag(tx, box, id, "project")
			if left, _ := f.Inbox.Tags(tx, box, id); err != nil || len(left) != 2 {
				t.Errorf("%t, %v: %v", had, err, left)
			}
		}
		if tags, err := f.Inbox.Tags(tx, box, other); len(tags) != 0 {
			t.Errorf("another mail has %v, %v", tags, err)
		}
		return nil
	})
}

func TestTagsAreReplacedWhereThatIsAskedFor(t *testing.T) {
	f := build(t)
	id := f.post(box, 1)
	for n, set := range []map[string]string{{"project": "a", "urgent": ""}, {"project": "b"}, {"topic": "c"}, {}} {
		f.Update(func(tx store.Tx) error {
			got, err := f.Inbox.SetTags(tx, box, id, set, true)
			if err != nil || !maps.Equal(got, set) {
				t.Errorf("%d: %v, %v", n, got, err)
			}
			return err
		})
		f.View(func(tx store.Tx) error {
			if kept, err := f.Inbox.Tags(tx, box, id); err != nil || !maps.Equal(kept, set) {
				t.Errorf("%d is kept as %v, %v", n, kept, err)
			}
			return nil
		})
	}
}

func TestATagOutOfItsBoundsChangesNothing(t *testing.T) {
	f := build(t)
	id := f.post(box, 1)
	many := map[string]string{}
	for n := range inbox.MaxTags {
		many[fmt.Sprint("k", n)] = "v"
	}
	for name, c := range map[string]struct {
		set  map[string]string
		want error
	}{
		"no key":           {map[string]string{"": "v", "good": "v"}, inbox.ErrTag},
		"a long key":       {map[string]string{strings.Repeat("k", inbox.MaxTagKey+1): "v"}, inbox.ErrTag},
		"a long value":     {map[string]string{"k": strings.Repeat("v", inbox.MaxTagValue+1)}, inbox.ErrTag},
		"a NUL":            {map[string]string{"a\x00b": "v"}, inbox.ErrTag},
		"a line break":     {map[string]string{"k": "a\nb"}, inbox.ErrTag},
		"a bidi override":  {map[string]string{"k": "a\u202eb"}, inbox.ErrTag},
		"no UTF-8":         {map[string]string{"k": "\xff"}, inbox.ErrTag},
		"a path":           {map[string]string{"..": "v"}, inbox.ErrTag},
		"more than it may": {map[string]string{"one more": "v"}, inbox.ErrManyTags},
	} {
		if c.want == inbox.ErrManyTags {
			if got, err := f.setTags(id, many); err != nil || len(got) != inbox.MaxTags {
				t.Fatalf("%d tags, %v", len(got), err)
			}
		}
		var before, after map[string]string
		f.View(func(tx store.Tx) (err error) { before, err = f.Inbox.Tags(tx, box, id); return err })
		if got, err := f.setTags(id, c.set); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		f.View(func(tx store.Tx) (err error) { after, err = f.Inbox.Tags(tx, box, id); return err })
		if !maps.Equal(before, after) {
			t.Errorf("%s: %v became %v", name, before, after)
		}
	}
}

func TestAMailThatIsNotShownHasNoTags(t *testing.T) {
	f := build(t)
	held := f.mail(box, 1)
	if err := f.receive(held, mail.GatedAll); err != nil || held.Visible() {
		t.Fatal(err)
	}
	for _, id := range []mail.ID{held.ID, mail.NewID(zone)} {
		if _, err := f.setTags(id, map[string]string{"k": "v"}); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
}

func TestContactsAreThoseOfTheirMailbox(t *testing.T) {
	f := build(t)
	other := mail.MustAddress("emo@example.test")
	add := func(b mail.Address, name, address string, tags ...string) (c inbox.Contact, err error) {
		err = f.DB.Update(ctx, func(tx store.Tx) (err error) {
			c, err = f.Inbox.AddContact(tx, b, name, mail.MustAddress(address), tags)
			return err
		})
		return c, err
	}
	ada, err := add(box, "Ada Löve", "Ada@dest.test", "vip")
	if err != nil || ada.CreatedAt.IsZero() {
		t.Fatal(ada, err)
	}
	if bob, err := add(box, "", "bob@dest.test"); err != nil || bob.Name != "bob" {
		t.Error(bob, err)
	}
	if _, err := add(other, "Ada", "ada@dest.test"); err != nil { // another mailbox, another contact
		t.Error(err)
	}
	if _, err := add(box, "Ada again", "ADA@dest.test"); !errors.Is(err, inbox.ErrDuplicate) {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		name string
		tags []string
	}{"a control": {"a\r\nBcc: b", nil}, "a long name": {strings.Repeat("n", 201), nil},
		"an empty tag": {"n", []string{""}}, "many tags": {"n", make([]string, 21)}} {
		if _, err := add(box, c.name, "new@dest.test", c.tags...); !errors.Is(err, inbox.ErrContact) {
			t.Errorf("%s: %v", name, err)
		}
	}
	search := f.contacts
	for text, want := range map[string]string{"": "[Ada Löve bob]", "LÖVE": "[Ada Löve]", "dest.test": "[Ada Löve bob]",
		"VIP": "[Ada Löve]", "eve": "[]"} {
		if got := fmt.Sprint(search(text)); got != want {
			t.Errorf("%q finds %s, want %s", text, got, want)
		}
	}
	for _, want := range []error{mail.ErrNotFound, nil, mail.ErrNotFound} {
		b := box
		if want != nil && len(search("Ada")) == 1 {
			b = other // whose contact it is not
		}
		err := f.DB.Update(ctx, func(tx store.Tx) error { _, err := f.Inbox.DeleteContact(tx, b, ada.ID); return err })
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := add(box, "Ada", "ada@dest.test"); err != nil { // the address is free again
		t.Error(err)
	}
}

func TestAMailboxHasSoManyContacts(t *testing.T) {
	f := build(t)
	err := f.DB.Update(ctx, func(tx store.Tx) error {
		for n := range inbox.MaxContacts + 1 {
			_, err := f.Inbox.AddContact(tx, box, "", mail.MustAddress(fmt.Sprintf("c%d@dest.test", n)), nil)
			if (n == inbox.MaxContacts) != errors.Is(err, inbox.ErrContacts) {
				t.Fatalf("%d: %v", n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contacts lists the names of those that a text finds.
func (f *fixture) contacts(text string) (names []string) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		names = nil
		list, err := f.Inbox.Contacts(tx, box, text)
		for _, c := range list {
			names = append(names, c.Name)
		}
		return err
	})
	return names
}
