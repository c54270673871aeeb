package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// maxReason is how long a reason may be; it is kept in the audit log.
const maxReason = 1000

// Decision is an approver's word. Digest names what was seen (invariant 4); only a
// rejection may leave it out.
type Decision struct {
	Approve bool
	Digest  mail.Digest
	Reason  string
}

var (
	errNoDigest = mail.ErrInvalid.Errorf("digest is required to approve: show the mail and quote the digest it has")
	errReason   = mail.ErrInvalid.Errorf("reason is longer than %d octets", maxReason)
)

// Decide carries out a decision over a held mail. The first decision wins; a
// later one gets an error that is mail.ErrStale and names the first.
func (g *Gate) Decide(ctx context.Context, p registry.Principal, id mail.ID, v Decision) (m *mail.Mail, err error) {
	event := step.Reject
	if v.Approve {
		event = step.Approve
	}
	a := Restricted{Op: opDecide, Mail: id, facts: map[string]string{"event": event.String()}}
	err = g.Guard(ctx, p, a, func(ctx context.Context) error {
		m, err = g.decide(ctx, p, id, v, event)
		return err
	})
	return m, err
}

func (g *Gate) decide(
	ctx context.Context, p registry.Principal, id mail.ID, v Decision, event step.Event,
) (*mail.Mail, error) {
	if v.Approve && v.Digest == "" {
		return nil, errNoDigest
	}
	if len(v.Reason) > maxReason {
		return nil, errReason
	}
	released := false // from quarantine
	m, err := g.change(ctx, p, id, func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error {
		if !p.Has(registry.ScopeOversight) || !p.Covers(m.Mailbox) {
			return errScope
		}
		released = c.Facts.State == mail.Quarantined && v.Approve
		self, err := g.submitted(tx, p, m)
		if err != nil {
			return err
		}
		c.Event = event
		c.Facts.Match = v.Digest == m.Digest || v.Digest == "" && !v.Approve
		c.Facts.Self = self
		c.Private["reason"] = v.Reason
		c.Apply = func(m *mail.Mail, ref audit.Ref) {
			m.Decisions = append(m.Decisions, decision(p, v, tx.Now(), m.Digest, ref))
			m.NextAttempt = later(tx.Now(), m.NotBefore)
			if released {
				label(m, LabelClean)
			}
		}
		return nil
	})
	result := event.String()
	switch {
	case errors.Is(err, errStore), errors.Is(err, errFull): // it may be in force: nothing is said of it
		g.o.Log.Error("decide", "mail", id, "actor", p.ID(), "err", err)
		return nil, err
	case err != nil:
		result = "refused"
	case released:
		g.learn(id, false)
	}
	g.o.Metrics.Decisions.WithLabelValues(result).Inc()
	g.o.Log.Info(map[bool]string{true: "approved", false: "rejected"}[v.Approve],
		"mail", id, "actor", p.ID(), "digest", v.Digest, "err", err)
	return m, err
}

// submitted reports whether p submitted the mail (invariant 4): itself, or as the person
// that an agent acted for.
func (g *Gate) submitted(tx store.Tx, p registry.Principal, m *mail.Mail) (bool, error) {
	for _, s := range m.Submitters() {
		if s.Author == p.ID() {
			return true, nil
		}
		if is, err := g.reg.IsPerson(tx, p, s.Person, s.At); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

func decision(p registry.Principal, v Decision, now time.Time, d mail.Digest, ref audit.Ref) mail.Decision {
	kind := "reviewer" // never claim more than was checked
	if p.Interactive {
		kind = "human"
	}
	return mail.Decision{Principal: p.ID(), Kind: kind, Approve: v.Approve, Digest: d,
		Reason: v.Reason, At: now.UTC(), Ref: ref.String(), Chain: ref.Chain, Seq: ref.Seq}
}

// Cancel withdraws a mail that is not on its way yet: its author's agent, or
// an admin. Cancelling twice is no error.
func (g *Gate) Cancel(ctx context.Context, p registry.Principal, id mail.ID) (*mail.Mail, error) {
	m, err := g.change(ctx, p, id, func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error {
		own := m.Direction == mail.Outgoing && p.Has(registry.ScopeSend) && p.Agent == m.Agent && p.Covers(m.Mailbox)
		if !own && !p.Has(registry.ScopeAdmin) {
			// An agent does not learn of mail that is not its own.
			return fmt.Errorf("gate: cancel %s: %w", id, mail.ErrNotFound)
		}
		if m.State == mail.Cancelled {
			return errDone
		}
		c.Event = step.Cancel
		return nil
	})
	if errors.Is(err, errDone) {
		err = g.db.View(ctx, func(tx store.Tx) error {
			m, err = g.q.Load(tx, id)
			return err
		})
		return m, err
	}
	if err == nil {
		g.o.Metrics.Decisions.WithLabelValues("cancel").Inc()
	}
	return m, err
}

// errDone: what is asked for is so already.
var errDone = errors.New("gate: done already")

// Hold puts a ready mail back before an approver; decision and stamps are void.
func (g *Gate) Hold(ctx context.Context, p registry.Principal, id mail.ID) (*mail.Mail, error) {
	return g.change(ctx, p, id, func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error {
		if !registry.CanTighten(p, m.Mailbox) {
			return errScope
		}
		c.Event = step.Hold
		c.Apply = func(m *mail.Mail, _ audit.Ref) {
			voidRelease(m, tx.Now())
		}
		return nil
	})
}

// Retry makes a ready mail due now.
func (g *Gate) Retry(ctx context.Context, p registry.Principal, id mail.ID) (m *mail.Mail, err error) {
	err = g.update(ctx, func(tx store.Tx) error {
		p, err := g.reg.Current(tx, p)
		if err != nil {
			return err
		}
		if !p.Has(registry.ScopeAdmin) {
			return mail.ReasonScope.Errorf("this needs a credential with the admin scope")
		}
		if m, err = g.q.Load(tx, id); err != nil {
			return err
		}
		if m.State != mail.Ready {
			return stale("the mail is %s and waits for no attempt", m.State)
		}
		if err := g.q.Reschedule(tx, m, tx.Now()); err != nil {
			return err
		}
		_, err = g.log.Append(tx, p.Signed(audit.Record{Kind: audit.Retry,
			Mail: string(m.ID), Rev: m.Rev, Digest: string(m.Digest)}))
		return err
	})
	return m, err
}

// change reads a mail, lets prepare say what is to happen, and moves it.
func (g *Gate) change(ctx context.Context, p registry.Principal, id mail.ID,
	prepare func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error) (m *mail.Mail, err error) {
	err = g.update(ctx, func(tx store.Tx) error {
		p, err := g.reg.Current(tx, p)
		if err != nil {
			return err
		}
		if err := g.reg.Open(tx); err != nil {
			return err
		}
		if m, err = g.q.Load(tx, id); err != nil {
			return err
		}
		facts, err := g.Facts(tx, m)
		if err != nil {
			return err
		}
		by := p.Signed(audit.Record{})
		c := queue.Change{Facts: facts, Actor: by.Actor, Private: by.Private}
		if err := prepare(tx, p, m, &c); err != nil {
			return err
		}
		out, err := g.move(tx, m, c)
		if err != nil {
			return err
		}
		return explain(out.Answer, m)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// explain turns a refused step into what the caller is told.
func explain(v step.Answer, m *mail.Mail) error {
	switch v {
	case step.Done:
		return nil
	case step.SelfDecided:
		return errSelf
	case step.Mismatch:
		return stale("the digest does not match: show the mail again and decide over what it is now")
	case step.ReadOnly:
		return stale("the mailbox is read_only: nothing may leave it; the mail stays held")
	case step.Frozen:
		return stale("a freeze is in force: nothing in its scope moves; the mail stays held")
	case step.Kept:
		return errKept
	case step.TooLate:
		if m.State == mail.Held || m.State == mail.Quarantined {
			return stale("the hold expired at %s", m.ExpiresAt.Format(time.RFC3339))
		}
		return stale("too late: the mail is being sent")
	}
	if n := len(m.Decisions); n > 0 {
		d := m.Decisions[n-1]
		word := map[bool]string{true: "approved", false: "rejected"}[d.Approve]
		return stale("already %s by %s at %s; the mail is %s", word, d.Principal, d.At.Format(time.RFC3339), m.State)
	}
	return stale("the mail is %s", m.State)
}
