package httpd

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// reached returns the mailboxes of a credential.
func (s *Server) reached(tx store.Tx, p registry.Principal) (out []mail.Address, err error) {
	all, err := s.o.Registry.Mailboxes(tx)
	for _, m := range all {
		if p.Covers(m.Address) {
			out = append(out, m.Address)
		}
	}
	return out, err
}

func contactOf(c inbox.Contact) api.Contact {
	return api.Contact{ID: string(c.ID), Name: c.Name, Email: c.Address.String(), Tags: append([]string{}, c.Tags...),
		MailboxID: c.Mailbox.String(), CreatedAt: c.CreatedAt}
}

// contacts finds contacts of the credential's mailboxes.
func (s *Server) contacts(ctx context.Context, c caller, in api.ContactQuery) (out api.Contacts, _ error) {
	text, err := part("q", in.Text)
	if err != nil {
		return out, err
	}
	var found []inbox.Contact
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		found = nil
		boxes, err := s.reached(tx, c.Principal)
		for _, box := range boxes {
			if err != nil {
				return err
			}
			var some []inbox.Contact
			some, err = s.o.Inbox.Contacts(tx, box, text)
			found = append(found, some...)
		}
		return err
	})
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(found, func(a, b inbox.Contact) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	list := newPage[api.Contact](maxPage)
	for _, f := range found {
		v := contactOf(f)
		added, err := list.add(v, v)
		if err != nil {
			return out, err
		}
		if out.More = !added; out.More {
			break
		}
	}
	out.Contacts = list.items
	return out, nil
}

func (s *Server) addContact(ctx context.Context, c caller, in api.NewContact) (out api.Contact, _ error) {
	name := in.Mailbox
	if name == "" {
		if len(c.Mailboxes) != 1 {
			return out, &refusal{status: http.StatusBadRequest, hint: "GET /v1/mailboxes lists them",
				text: "mailbox_id is needed: the credential does not have just one mailbox"}
		}
		name = c.Mailboxes[0].String()
	}
	box, err := c.reaches(name)
	if err != nil {
		return out, err
	}
	a, err := mail.ParseAddress(in.Email)
	if err != nil {
		return out, err
	}
	var added inbox.Contact
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if _, err = s.o.Registry.Mailbox(tx, box); err == nil {
			added, err = s.o.Inbox.AddContact(tx, box, in.Name, a, in.Tags)
		}
		return err
	})
	if err != nil {
		return out, ofReader(err)
	}
	return contactOf(added), nil
}

// deleteContact removes a contact of whichever mailbox has it. One that is not there is
// no error: it is as the caller wants it.
func (s *Server) deleteContact(ctx context.Context, c caller, in api.ContactRef) (out api.Deleted, _ error) {
	id, err := mail.ParseID(in.ID)
	if err != nil {
		return out, missing("contact")
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		out.Deleted = false
		p, err := s.o.Registry.Current(tx, c.Principal)
		if err != nil {
			return err
		}
		boxes, err := s.reached(tx, p)
		if err != nil {
			return err
		}
		for _, box := range boxes {
			gone, err := s.o.Inbox.DeleteContact(tx, box, id)
			if errors.Is(err, mail.ErrNotFound) {
				continue
			}
			if err == nil {
				out.Deleted = true
				_, err = s.o.Audit.Append(tx, p.Signed(audit.Record{Kind: audit.ContactDelete,
					Private: map[string]string{"mailbox": box.String(), "address": gone.Address.String()}}))
			}
			return err
		}
		return nil
	})
	return out, err
}
