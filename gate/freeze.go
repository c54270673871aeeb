package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/node"
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
// a final dot any more (invariant 11); submissions in scope are answered 4xx.
func (g *Gate) Freeze(
	ctx context.Context, p registry.Principal, s registry.FreezeScope, reason string,
) (FreezeReport, error) {
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
func (g *Gate) SetMode(
	ctx context.Context, p registry.Principal, box mail.Address, mode mail.Mode,
) (before mail.Mode, err error) {
	return g.ChangeMode(ctx, p, box, mode, func(store.Tx, registry.Principal) error { return nil })
}

// ChangeMode is SetMode with what else becomes of the mailbox, in the same transaction and
// before it. Its error gives up both.
func (g *Gate) ChangeMode(ctx context.Context, p registry.Principal, box mail.Address, mode mail.Mode,
	first func(store.Tx, registry.Principal) error) (before mail.Mode, err error) {
	scope := covers(registry.FreezeScope{Kind: "mailbox", Name: box.String()})
	_, err = g.tighten(ctx, p, "mailbox.mode", scope, func(tx store.Tx, p registry.Principal) (err error) {
		if err := first(tx, p); err != nil {
			return err
		}
		before, err = g.reg.SetMode(tx, p, box, mode)
		return err
	})
	return before, err
}

// AllowAdd adds a pattern to a mailbox's allowlist.
func (g *Gate) AllowAdd(
	ctx context.Context, p registry.Principal, box mail.Address, pattern, note string,
) (e registry.AllowEntry, err error) {
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
func (g *Gate) set(
	ctx context.Context, p registry.Principal, op string, change func(store.Tx, registry.Principal) error,
) error {
	return g.Guard(ctx, p, Restricted{Op: op}, func(ctx context.Context) error {
		err := g.update(ctx, func(tx store.Tx) error {
			p, err := g.reg.Current(tx, p)
			if err != nil {
				return err
			}
			return change(tx, p)
		})
		g.nodes.NotePolicy()
		return err
	})
}

// tighten commits a change of policy, then waits until every live node has
// stopped what was claimed before it (invariant 11).
func (g *Gate) tighten(ctx context.Context, p registry.Principal, op string, scope func(string, mail.Address) bool,
	change func(store.Tx, registry.Principal) error) (FreezeReport, error) {
	var before, epoch uint64
	err := g.set(ctx, p, op, func(tx store.Tx, p registry.Principal) (err error) {
		if before, err = g.reg.Epoch(tx); err != nil {
			return err
		}
		if err = change(tx, p); err == nil {
			epoch, err = g.reg.Epoch(tx)
		}
		return err
	})
	if err != nil {
		return FreezeReport{}, err
	}
	report, err := g.awaitNodes(ctx, epoch, scope)
	if epoch == before { // it was so already: what there is to report was reported then
		report = FreezeReport{}
	}
	if err != nil {
		err = fmt.Errorf("gate: the change is in force, but attempts under way did not end in time: %w", err)
	}
	return report, err
}

// nodePoll is how often the records of other nodes are read while one of them is
// waited for: what they write wakes nobody here.
const nodePoll = 250 * time.Millisecond

// awaitNodes returns once no live node waits to apply the policy epoch, with the
// attempts in scope that the nodes met.
func (g *Gate) awaitNodes(
	ctx context.Context, epoch uint64, scope func(string, mail.Address) bool,
) (FreezeReport, error) {
	var report FreezeReport
	for {
		var waiting []string
		var stops []node.Stop
		written := g.nodes.Written()
		err := g.db.View(ctx, func(tx store.Tx) (err error) {
			waiting, stops, err = g.nodes.Waiting(tx, epoch)
			return err
		})
		if err != nil {
			return report, err
		}
		if len(waiting) == 0 {
			for _, s := range stops {
				if !scope(s.Agent, s.Mailbox) {
					continue
				}
				if s.Past {
					report.Past = append(report.Past, s.Mail)
				} else {
					report.Stopped = append(report.Stopped, s.Mail)
				}
			}
			return report, nil
		}
		poll := time.NewTimer(nodePoll)
		select {
		case <-ctx.Done():
		case <-written:
		case <-poll.C:
		}
		poll.Stop()
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
	}
}

// Epoch grows with every change of policy.
func (g *Gate) Epoch(tx store.Tx) (uint64, error) { return g.reg.Epoch(tx) }

// Permitted reports whether an attempt for a mail may still go on.
func (g *Gate) Permitted(tx store.Tx, m *mail.Mail, copyOnly bool) (bool, error) {
	p, err := g.permission(tx, m)
	return p == step.Go || p == step.CopyOnly && copyOnly, err
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
