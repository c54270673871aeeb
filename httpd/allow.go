package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) allowlist(ctx context.Context, c caller, in api.MailboxRef) (out api.Allowlist, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	var entries []registry.AllowEntry
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		entries, err = s.o.Registry.Allowlist(tx, box)
		return err
	})
	list := api.Allowlist{Entries: []api.AllowEntry{}}
	for _, e := range entries {
		list.Entries = append(list.Entries, api.AllowEntry(e))
	}
	return list, err
}

func (s *Server) allowAdd(ctx context.Context, c caller, in api.NewAllowRequest) (out api.AllowEntry, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	e, err := s.o.Gate.AllowAdd(ctx, c.Principal, box, in.Pattern, in.Note)
	return api.AllowEntry(e), err
}

func (s *Server) allowRemove(ctx context.Context, c caller, in api.AllowRef) (out api.Done, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	if err := s.o.Gate.AllowRemove(ctx, c.Principal, box, in.Entry); err != nil {
		return out, err
	}
	return api.Done{Status: "removed"}, nil
}
