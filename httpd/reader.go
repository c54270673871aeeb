package httpd

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// errHold: a legal hold keeps what its reader would throw away.
var errHold = refuse(http.StatusConflict, "a legal hold is in force: nothing of this mailbox is deleted")

// readerBindings ties the operations of who reads mail.
func (s *Server) readerBindings() []binding {
	return []binding{
		bind(api.UpdateEmail, s.updateEmail),
		bind(api.GetThread, s.thread),
		bind(api.GetTags, s.tags),
		bind(api.SetTags, s.setTags),
		bind(api.DeleteTag, s.deleteTag),
		bind(api.SearchContacts, s.contacts),
		bind(api.AddContact, s.addContact),
		bind(api.DeleteContact, s.deleteContact),
	}
}

// own names a mail of a mailbox that the caller reaches.
func (c caller) own(ref api.EmailRef) (box mail.Address, id mail.ID, err error) {
	if box, err = c.reaches(ref.Mailbox); err == nil {
		id, err = pathID(ref.Email)
	}
	return box, id, err
}

// ofReader words an error of the inbox.
func ofReader(err error) error {
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return missing("mail")
	case errors.Is(err, inbox.ErrTag):
		return invalid("a tag has a key of 1 to %d octets and a value of up to %d, of characters that print",
			inbox.MaxTagKey, inbox.MaxTagValue)
	case errors.Is(err, inbox.ErrManyTags):
		return over(mail.LimitTags, "a mail has up to %d tags; delete some first", inbox.MaxTags)
	case errors.Is(err, inbox.ErrContact):
		return invalid("a contact has a name of up to %d octets and up to %d tags of up to %d octets, of characters "+
			"that print", inbox.MaxContactName, inbox.MaxContactTags, inbox.MaxTagKey)
	case errors.Is(err, inbox.ErrContacts):
		return limited(mail.LimitContacts, http.StatusConflict, "the mailbox has %d contacts, as many as it may; "+
			"an admin can delete some", inbox.MaxContacts)
	case errors.Is(err, inbox.ErrDuplicate):
		return refuse(http.StatusConflict, "the mailbox has a contact with this address already")
	}
	return err
}

// updateEmail says what a reader has done with a mail.
func (s *Server) updateEmail(ctx context.Context, c caller, in api.EmailPatch) (out api.Summary, _ error) {
	box, id, err := c.own(in.EmailRef)
	if err != nil {
		return out, err
	}
	status := inbox.Status(in.Status)
	if !slices.Contains(inbox.Statuses[:], status) {
		return out, invalid("status must be unread, read, archived or deleted")
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		m, err := s.o.Registry.Receives(tx, box)
		if err != nil {
			return err
		}
		if m.LegalHold && status == inbox.Deleted {
			return errHold
		}
		if err := s.o.Inbox.SetStatus(tx, box, id, status); err != nil {
			return err
		}
		item, err := s.o.Inbox.Item(tx, box, id)
		if err == nil {
			out = itemOf(box, item, s.o.Now())
		}
		return err
	})
	if !c.Has(registry.ScopeRead) { // what was done, and nothing of what a stranger wrote
		out = api.Summary{ID: out.ID, MailboxID: out.MailboxID, Direction: out.Direction, Status: out.Status,
			ReceivedAt: out.ReceivedAt}
	}
	return out, ofReader(err)
}

func (s *Server) tags(ctx context.Context, c caller, in api.EmailRef) (out api.Tags, _ error) {
	box, id, err := c.own(in)
	if err != nil {
		return out, err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		out.Tags, err = s.o.Inbox.Tags(tx, box, id)
		return err
	})
	return out, ofReader(err)
}

func (s *Server) setTags(ctx context.Context, c caller, in api.TagsRequest) (out api.Tags, _ error) {
	box, id, err := c.own(in.EmailRef)
	if err != nil {
		return out, err
	}
	if len(in.Tags) == 0 && !in.Replace {
		return out, invalid("tags must name at least one tag")
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out.Tags, err = s.o.Inbox.SetTags(tx, box, id, in.Tags, in.Replace)
		return err
	})
	return out, ofReader(err)
}

func (s *Server) deleteTag(ctx context.Context, c caller, in api.TagRef) (out api.Deleted, _ error) {
	box, id, err := c.own(in.EmailRef)
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out.Deleted, err = s.o.Inbox.DeleteTag(tx, box, id, in.Key)
		return err
	})
	return out, ofReader(err)
}

// thread shows a conversation: its newest page unless a cursor asks for an older one.
func (s *Server) thread(ctx context.Context, c caller, in api.ThreadQuery) (out api.Thread, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	id, err := mail.ParseID(in.Thread)
	if err != nil {
		return out, missing("thread")
	}
	cursor, err := queryID("cursor", in.Cursor)
	if err != nil {
		return out, err
	}
	var items []inbox.Item
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		t, err := s.o.Inbox.Thread(tx, box, id)
		if err != nil {
			return err
		}
		out = api.Thread{ThreadID: string(t.ID), MessageCount: t.Count, Participants: append([]string{}, t.Participants...),
			More: t.More, LastActivity: t.LastActivity, Unanswered: t.Unanswered}
		items, err = s.o.Inbox.InThread(tx, box, id, cursor, in.Limit+1)
		return err
	})
	if errors.Is(err, mail.ErrNotFound) {
		return out, missing("thread")
	}
	list := newPage[api.Summary](in.Limit)
	for _, i := range items {
		if err != nil {
			break
		}
		more := false
		if more, err = list.add(itemOf(box, i, s.o.Now()), damagedSummary(box, i.ID)); err == nil && !more {
			out.Cursor = list.items[len(list.items)-1].ID
			break
		}
	}
	slices.Reverse(list.items)
	out.Emails = list.items
	return out, err
}

// threadOf returns the thread of a mail; where it cannot be read, the one of a first mail.
func (s *Server) threadOf(ctx context.Context, m *mail.Mail) string {
	thread := string(m.ID)
	_ = s.o.Store.View(ctx, func(tx store.Tx) error { // the mail is stored, whatever becomes of this
		item, err := s.o.Inbox.Item(tx, m.Mailbox, m.ID)
		if err == nil && item.Thread != "" {
			thread = string(item.Thread)
		}
		return err
	})
	return thread
}
