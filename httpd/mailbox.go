package httpd

import (
	"context"
	"slices"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// mailboxes lists the mailboxes the credential reaches.
func (s *Server) mailboxes(ctx context.Context, c caller, _ api.None) (out api.Mailboxes, _ error) {
	list := api.Mailboxes{Mailboxes: []api.Mailbox{}}
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := s.o.Registry.Mailboxes(tx)
		if err != nil {
			return err
		}
		list.Mailboxes = list.Mailboxes[:0]
		for _, m := range all {
			if !c.Covers(m.Address) {
				continue
			}
			v, err := s.mailboxOf(tx, c.Principal, m)
			if err != nil {
				return err
			}
			list.Mailboxes = append(list.Mailboxes, v)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	return list, nil
}

func (s *Server) mailbox(ctx context.Context, c caller, in api.MailboxRef) (out api.Mailbox, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	return s.showMailbox(ctx, c, box)
}

func (s *Server) showMailbox(ctx context.Context, c caller, box mail.Address) (out api.Mailbox, _ error) {
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		m, err := s.o.Registry.Mailbox(tx, box)
		if err == nil {
			out, err = s.mailboxOf(tx, c.Principal, m)
		}
		return err
	})
	return out, err
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
		HoldSeconds: int64(s.o.Registry.Hold(m) / time.Second), AgentRef: m.RefPolicy.String(),
		Agents: append([]string{}, m.Agents...),
		Frozen: slices.ContainsFunc(freezes, stops), CreatedAt: m.CreatedAt,
		LegalHold: m.LegalHold, QuotaOctets: m.QuotaSize, QuotaCount: m.QuotaCount,
		RetentionDays: int(m.Retention / (24 * time.Hour)),
		AutoCC:        m.AutoCC.String(), AutoBCC: m.AutoBCC.String(), SignatureBlock: m.Signature,
		DefaultGateTiming: m.Timing.String(), SchedulingEnabled: !m.Unscheduled,
		MCPConfigured: m.Configured, AIDisclosure: true,
	}, nil
}

// patchMailbox changes a mailbox, in whole or not at all.
func (s *Server) patchMailbox(ctx context.Context, c caller, in api.MailboxRequest) (out api.Mailbox, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	change, err := changeOf(in.MailboxPatch)
	if err != nil {
		return out, err
	}
	return s.changeMailbox(ctx, c, box, mailboxChange{mode: in.OversightMode, rest: change, agents: in.AddAgents})
}

// mailboxChange is what shall become of a mailbox, read.
type mailboxChange struct {
	mode   *string
	rest   registry.MailboxPatch
	agents []string
}

func (s *Server) changeMailbox(
	ctx context.Context, c caller, box mail.Address, change mailboxChange,
) (out api.Mailbox, _ error) {
	rest := func(tx store.Tx, p registry.Principal) error {
		return s.patchRest(tx, p, box, change.rest, change.agents)
	}
	if change.mode == nil {
		err := s.o.Store.Update(ctx, func(tx store.Tx) error { return rest(tx, c.Principal) })
		if err != nil {
			return out, err
		}
		return s.showMailbox(ctx, c, box)
	}
	mode, err := mail.ParseMode(*change.mode)
	if err != nil {
		return out, invalid("oversight_mode must be " +
			"read_only, gated_all, gated_send, monitored or autonomous")
	}
	// The mode comes last: one of its conditions is the address of the overseer.
	if _, err := s.o.Gate.ChangeMode(ctx, c.Principal, box, mode, rest); err != nil {
		return out, err
	}
	return s.showMailbox(ctx, c, box)
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
	c := registry.MailboxPatch{DisplayName: p.DisplayName,
		KeepPatch: registry.KeepPatch{QuotaSize: p.QuotaOctets, QuotaCount: p.QuotaCount, LegalHold: p.LegalHold}}
	if days := p.RetentionDays; days != nil {
		if *days < 0 || *days > int(registry.MaxRetention/(24*time.Hour)) {
			return c, invalid("retention_days must be from 0 to %d", registry.MaxRetention/(24*time.Hour))
		}
		keep := time.Duration(*days) * 24 * time.Hour
		c.Retention = &keep
	}
	var err error
	if c.Oversight, err = optionalAddress("oversight_address", p.OversightAddress); err != nil {
		return c, err
	}
	if c.WritingPatch, err = writingOf(p.AutoCC, p.AutoBCC, p.SignatureBlock, p.AIDisclosure); err != nil {
		return c, err
	}
	if p.HoldSeconds != nil {
		if *p.HoldSeconds < 0 || *p.HoldSeconds > int64(registry.MaxTTL/time.Second) {
			return c, invalid("hold_seconds must be from 0 to %d", registry.MaxTTL/time.Second)
		}
		ttl := time.Duration(*p.HoldSeconds) * time.Second
		c.TTL = &ttl
	}
	if p.AgentRef != nil {
		ref, err := mail.ParseRefPolicy(*p.AgentRef)
		if err != nil {
			return c, invalid("agent_ref must be plain, hmac or none")
		}
		c.RefPolicy = &ref
	}
	return c, nil
}

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
