package httpd

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// mailboxes lists the mailboxes the credential reaches.
func (s *Server) mailboxes(r *request) (answer, error) {
	list := api.Mailboxes{Mailboxes: []api.Mailbox{}}
	err := s.o.Store.View(r.Context(), func(tx store.Tx) error {
		all, err := s.o.Registry.Mailboxes(tx)
		if err != nil {
			return err
		}
		list.Mailboxes = list.Mailboxes[:0]
		for _, m := range all {
			if !r.p.Covers(m.Address) {
				continue
			}
			v, err := s.mailboxOf(tx, r.p, m)
			if err != nil {
				return err
			}
			list.Mailboxes = append(list.Mailboxes, v)
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

func (s *Server) mailbox(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	return s.showMailbox(r, box, http.StatusOK)
}

func (s *Server) showMailbox(r *request, box mail.Address, status int) (answer, error) {
	var v api.Mailbox
	err := s.o.Store.View(r.Context(), func(tx store.Tx) error {
		m, err := s.o.Registry.Mailbox(tx, box)
		if err == nil {
			v, err = s.mailboxOf(tx, r.p, m)
		}
		return err
	})
	return answer{status, v}, err
}

// mailboxOf shows a mailbox and whether a freeze stops it. To an agent, one of
// the agent alone counts too.
func (s *Server) mailboxOf(tx store.Tx, p registry.Principal, m registry.Mailbox) (api.Mailbox, error) {
	freezes, err := s.o.Registry.Freezes(tx)
	if err != nil {
		return api.Mailbox{}, err
	}
	stops := func(f registry.Freeze) bool {
		switch f.Scope.Kind {
		case registry.FreezeMailbox:
			return f.Scope.Name == m.Address.Key()
		case registry.FreezeDomain:
			return f.Scope.Name == m.Address.Domain()
		case registry.FreezeAgent:
			return p.Kind == registry.KindAgent && f.Scope.Name == p.Name
		}
		return f.Scope.Kind == registry.FreezeAll
	}
	return api.Mailbox{
		ID: m.Address.String(), Address: m.Address.String(), DisplayName: m.DisplayName,
		OversightMode: m.Mode.String(), OversightAddress: m.Oversight.String(),
		HoldSeconds: int64(s.o.Registry.Hold(m) / time.Second), Agents: append([]string{}, m.Agents...),
		Frozen: slices.ContainsFunc(freezes, stops), CreatedAt: m.CreatedAt,
	}, nil
}

func (s *Server) addMailbox(r *request) (answer, error) {
	var n api.NewMailbox
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	box, err := mail.ParseAddress(n.Address)
	if err != nil {
		return answer{}, err
	}
	err = s.o.Store.Update(r.Context(), func(tx store.Tx) error {
		_, err := s.o.Registry.AddMailbox(tx, r.p, box, n.Agents)
		if err == nil {
			err = s.budget(tx, box.Domain(), box.String())
		}
		if err == nil && n.DisplayName != "" {
			_, err = s.o.Registry.SetMailbox(tx, r.p, box, registry.MailboxPatch{DisplayName: &n.DisplayName})
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return s.showMailbox(r, box, http.StatusCreated)
}

// errTrial ends a transaction that shall leave nothing behind.
var errTrial = errors.New("httpd: trial")

// patchMailbox changes a mailbox. The mode is the gate's, the rest the
// registry's, so they are two commits; a trial of both goes before, for a
// patch to be done in whole or not at all.
func (s *Server) patchMailbox(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	var p api.MailboxPatch
	if err := decode(r, &p, smallBody); err != nil {
		return answer{}, err
	}
	change, err := changeOf(p)
	if err != nil {
		return answer{}, err
	}
	rest := func(tx store.Tx) error { return s.patchRest(tx, r.p, box, change, p.AddAgents) }
	if p.OversightMode == nil {
		if err := s.o.Store.Update(r.Context(), rest); err != nil {
			return answer{}, err
		}
		return s.showMailbox(r, box, http.StatusOK)
	}
	mode, err := mail.ParseMode(*p.OversightMode)
	if err != nil {
		return answer{}, invalid("oversight_mode must be " +
			"read_only, gated_all, gated_send, monitored or autonomous")
	}
	// All of it is tried first. Then the mode comes last: a mailbox that becomes
	// monitored copies to its new address from the first mail on.
	err = s.try(r.Context(), func(tx store.Tx) error {
		if err := rest(tx); err != nil {
			return err
		}
		_, err := s.o.Registry.SetMode(tx, r.p, box, mode)
		return err
	})
	if err == nil {
		err = s.o.Store.Update(r.Context(), rest)
	}
	if err == nil {
		_, err = s.o.Gate.SetMode(r.Context(), r.p, box, mode)
	}
	if err != nil {
		return answer{}, err
	}
	return s.showMailbox(r, box, http.StatusOK)
}

// try runs fn and leaves nothing of it.
func (s *Server) try(ctx context.Context, fn func(store.Tx) error) error {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errTrial
	})
	if errors.Is(err, errTrial) {
		return nil
	}
	return err
}

func (s *Server) patchRest(
	tx store.Tx, p registry.Principal, box mail.Address, c registry.MailboxPatch, agents []string,
) error {
	if _, err := s.o.Registry.SetMailbox(tx, p, box, c); err != nil {
		return err
	}
	for _, name := range agents {
		if err := s.o.Registry.GrantMailbox(tx, p, box, name); err != nil {
			return err
		}
	}
	return nil
}

// changeOf reads the values of a patch.
func changeOf(p api.MailboxPatch) (registry.MailboxPatch, error) {
	c := registry.MailboxPatch{DisplayName: p.DisplayName}
	if p.OversightAddress != nil {
		var a mail.Address // "" is the account's address again
		if *p.OversightAddress != "" {
			var err error
			if a, err = mail.ParseAddress(*p.OversightAddress); err != nil {
				return c, err
			}
		}
		c.Oversight = &a
	}
	if p.HoldSeconds != nil {
		if *p.HoldSeconds < 0 || *p.HoldSeconds > int64(registry.MaxTTL/time.Second) {
			return c, invalid("hold_seconds must be from 0 to %d", registry.MaxTTL/time.Second)
		}
		ttl := time.Duration(*p.HoldSeconds) * time.Second
		c.TTL = &ttl
	}
	return c, nil
}
