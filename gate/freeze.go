package gate

import (
	"context"
	"fmt"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// FreezeReport says what a freeze met: Stopped will not leave, Past had been
// allowed its final dot before.
type FreezeReport struct {
	Stopped []mail.ID
	Past    []mail.ID
}

// Freeze stops everything in scope. When it returns nothing in scope can send
// a final dot any more (LAW 11); submissions in scope are answered 4xx.
func (g *Gate) Freeze(ctx context.Context, p registry.Principal, s registry.FreezeScope, reason string) (FreezeReport, error) {
	return g.tighten(ctx, p, "freeze", covers(s), func(tx store.Tx, p registry.Principal) error {
		return g.reg.Freeze(tx, p, s, reason)
	})
}

// Thaw ends a freeze. What it held back is due at once.
func (g *Gate) Thaw(ctx context.Context, p registry.Principal, s registry.FreezeScope) error {
	return g.set(ctx, p, "thaw", func(tx store.Tx, p registry.Principal) error { return g.reg.Thaw(tx, p, s) })
}

// DisableAgent refuses the agent's credentials from now on and freezes what it
// has in the queue.
func (g *Gate) DisableAgent(ctx context.Context, p registry.Principal, name string) (FreezeReport, error) {
	scope := covers(registry.FreezeScope{Kind: "agent", Name: name})
	return g.tighten(ctx, p, "agent.disable", scope, func(tx store.Tx, p registry.Principal) error {
		return g.reg.DisableAgent(tx, p, name)
	})
}

// SetMode changes the oversight mode of a mailbox and returns the mode before.
// Tightening waits like Freeze; loosening frees nothing that is held.
func (g *Gate) SetMode(ctx context.Context, p registry.Principal, box mail.Address, mode mail.Mode) (before mail.Mode, err error) {
	scope := covers(registry.FreezeScope{Kind: "mailbox", Name: box.String()})
	_, err = g.tighten(ctx, p, "mailbox.mode", scope, func(tx store.Tx, p registry.Principal) (err error) {
		before, err = g.reg.SetMode(tx, p, box, mode)
		return err
	})
	return before, err
}

// AllowAdd adds a pattern to a mailbox's allowlist.
func (g *Gate) AllowAdd(ctx context.Context, p registry.Principal, box mail.Address, pattern, note string) (e registry.AllowEntry, err error) {
	err = g.set(ctx, p, "allow.add", func(tx store.Tx, p registry.Principal) (err error) {
		e, err = g.reg.AllowAdd(tx, p, box, pattern, note)
		return err
	})
	return e, err
}

// AllowRemove removes a pattern; mail that stood on it is held when claimed.
func (g *Gate) AllowRemove(ctx context.Context, p registry.Principal, box mail.Address, id string) error {
	scope := covers(registry.FreezeScope{Kind: "mailbox", Name: box.String()})
	_, err := g.tighten(ctx, p, "allow.remove", scope, func(tx store.Tx, p registry.Principal) error {
		return g.reg.AllowRemove(tx, p, box, id)
	})
	return err
}

// set makes a change of policy for a principal that is still valid.
func (g *Gate) set(ctx context.Context, p registry.Principal, op string, change func(store.Tx, registry.Principal) error) error {
	return g.Guard(ctx, p, Attempt{Op: op}, func(ctx context.Context) error {
		return g.update(ctx, func(tx store.Tx) error {
			p, err := g.reg.Current(tx, p)
			if err != nil {
				return err
			}
			return change(tx, p)
		})
	})
}

// tighten commits a change of policy, then stops what was claimed before it.
func (g *Gate) tighten(ctx context.Context, p registry.Principal, op string, scope func(string, mail.Address) bool,
	change func(store.Tx, registry.Principal) error) (FreezeReport, error) {
	if err := g.set(ctx, p, op, change); err != nil {
		return FreezeReport{}, err
	}
	stopped, past, err := g.q.Quiesce(ctx, scope)
	if err != nil {
		err = fmt.Errorf("gate: the change is in force, but attempts under way did not end in time: %w", err)
	}
	return FreezeReport{Stopped: stopped, Past: past}, err
}

// covers returns whether a scope holds a mail of this agent and mailbox.
func covers(s registry.FreezeScope) func(agent string, box mail.Address) bool {
	return func(agent string, box mail.Address) bool {
		switch s.Kind {
		case "all":
			return true
		case "agent":
			return agent == s.Name
		case "mailbox":
			a, err := mail.ParseAddress(s.Name)
			return err == nil && box.Key() == a.Key()
		case "domain":
			return box.Domain() == s.Name
		}
		return false
	}
}
