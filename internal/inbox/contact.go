package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of the contacts of one mailbox.
const (
	MaxContacts    = 1000
	MaxContactName = 200 // octets
	MaxContactTags = 20
)

// Contact is somebody whose address a mailbox keeps. Only who was added is one: mail
// that comes in adds nobody.
type Contact struct {
	ID        mail.ID      `json:"id"`
	Mailbox   mail.Address `json:"mailbox"`
	Name      string       `json:"name"`
	Address   mail.Address `json:"address"`
	Tags      []string     `json:"tags,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
}

// AddContact adds a contact to a mailbox. Without a name it has the local part of its
// address.
func (b *Inbox) AddContact(
	tx store.Tx, box mail.Address, name string, a mail.Address, tags []string,
) (Contact, error) {
	c := Contact{ID: mail.NewID(tx.Now()), Mailbox: box, Name: name, Address: a, Tags: tags, CreatedAt: tx.Now().UTC()}
	if c.Name == "" {
		c.Name = a.Local()
	}
	if err := c.check(); err != nil {
		return Contact{}, err
	}
	switch _, err := space.Get(tx, in(addressPrefix, box)+a.Key()); {
	case err == nil:
		return Contact{}, ErrDuplicate
	case !errors.Is(err, store.ErrNotFound):
		return Contact{}, fmt.Errorf("inbox: contact: %w", err)
	}
	n := 0
	err := space.Scan(tx, store.Prefix(in(addressPrefix, box)), func(string, []byte) error { n++; return nil })
	if err == nil && n >= MaxContacts {
		err = ErrContacts
	}
	if err != nil {
		return Contact{}, err
	}
	v, err := json.Marshal(c)
	if err == nil {
		err = space.Put(tx, in(contactPrefix, box)+string(c.ID), v)
	}
	if err == nil {
		err = space.Put(tx, in(addressPrefix, box)+a.Key(), []byte(c.ID))
	}
	if err != nil {
		return Contact{}, fmt.Errorf("inbox: contact: %w", err)
	}
	return c, nil
}

func (c Contact) check() error {
	if c.Address.IsZero() || !isText(c.Name, MaxContactName) || len(c.Tags) > MaxContactTags {
		return ErrContact
	}
	for _, t := range c.Tags {
		if t == "" || !isText(t, MaxTagKey) {
			return ErrContact
		}
	}
	return nil
}

// contacts returns those of a mailbox, oldest first.
func contacts(tx store.Tx, box mail.Address) (out []Contact, err error) {
	err = space.Scan(tx, store.Prefix(in(contactPrefix, box)), func(_ string, v []byte) error {
		var c Contact
		if err := json.Unmarshal(v, &c); err != nil {
			return err
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: contacts: %w", err)
	}
	return out, nil
}

// Contacts returns the contacts of a mailbox of which name, address or a tag holds a
// text, without regard to case, by name. The empty text is in all of them.
func (b *Inbox) Contacts(tx store.Tx, box mail.Address, text string) ([]Contact, error) {
	all, err := contacts(tx, box)
	if err != nil {
		return nil, err
	}
	text = strings.ToLower(text)
	all = slices.DeleteFunc(all, func(c Contact) bool {
		return !slices.ContainsFunc(append([]string{c.Name, c.Address.String()}, c.Tags...), func(s string) bool {
			return strings.Contains(strings.ToLower(s), text)
		})
	})
	slices.SortStableFunc(all, func(a, b Contact) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return all, nil
}

// DeleteContact removes a contact and returns it; mail.ErrNotFound if the mailbox has
// none such.
func (b *Inbox) DeleteContact(tx store.Tx, box mail.Address, id mail.ID) (c Contact, err error) {
	key := in(contactPrefix, box) + string(id)
	v, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return c, fmt.Errorf("inbox: contact %s: %w", id, mail.ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal(v, &c)
	}
	if err == nil {
		err = space.Delete(tx, key)
	}
	if err == nil {
		err = space.Delete(tx, in(addressPrefix, box)+c.Address.Key())
	}
	if err != nil {
		return c, fmt.Errorf("inbox: contact %s: %w", id, err)
	}
	return c, nil
}
