package gate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// terms are the record that stamps are made from, and who gets a copy.
type terms struct {
	release mail.Release
	copy    mail.Address // zero: no copy
}

// Candidate is a ready mail as it was read for a claim. When Stamped is false
// this is its first attempt: the caller makes the stamps from Mail.Release and
// sets Mail.Prefix before it claims. It is true as well for a mail that will not
// leave now, which needs none.
type Candidate struct {
	Mail    *mail.Mail
	Raw     []byte // its canonical bytes
	Stamped bool

	rev    int
	terms  terms
	intact bool
}

// Lease says who may attempt a mail and for how long.
type Lease struct {
	Node    string
	Session string // of the node, which holds its own lease: see package node
	For     time.Duration
	Margin  time.Duration // at the end of For, in which nothing is begun
	Retry   time.Duration // when to attempt again, should this attempt leave no result
}

// Claim is a mail whose attempt is committed.
type Claim struct {
	Mail     *mail.Mail
	Raw      []byte
	CopyOnly bool // only the oversight address may get it now

	epoch uint64
	ends  time.Time // when its domain ceases to count as verified; zero: not by time
	lease Lease
}

// Errors of a claim.
var (
	// ErrTerms: between Candidate and Claim the terms of the release have
	// changed. The caller begins again.
	ErrTerms = errors.New("gate: the terms of the release have changed")
	// ErrStopped: policy has changed since the claim; nothing more is sent.
	ErrStopped = errors.New("gate: stopped by policy")

	errLeaseOver = errors.New("gate: the lease is nearly over")
)

// Candidate reads a ready mail with the terms it would leave on now.
func (g *Gate) Candidate(ctx context.Context, id mail.ID) (*Candidate, error) {
	c := &Candidate{}
	var facts step.Facts
	err := g.db.View(ctx, func(tx store.Tx) (err error) {
		if c.Mail, err = g.q.Load(tx, id); err != nil {
			return err
		}
		facts, c.terms, _, err = g.grounds(tx, c.Mail)
		c.terms.release.At = tx.Now().Truncate(time.Second).UTC()
		return err
	})
	if err == nil {
		c.Raw, err = g.db.Body(ctx, queue.RawKey(id))
	}
	if err != nil {
		return nil, fmt.Errorf("gate: candidate %s: %w", id, err)
	}
	c.rev = c.Mail.Rev
	c.intact = mail.DigestOf(c.Mail.Envelope, c.Raw) == c.Mail.Digest
	facts.Intact = facts.Intact && c.intact
	c.Stamped = c.Mail.Release != nil || step.Step(facts, step.Claim).State != mail.Sending
	if !c.Stamped {
		c.Mail.Release, c.Mail.Prefix = &c.terms.release, nil
	}
	return c, nil
}

// Claim moves a mail to sending, or back to held when its basis no longer
// suffices. The stamps were made outside of the transaction, which checks that
// the terms still hold, then stores release, stamps and attempt together
// (invariant 5). It returns nil when there is nothing to send now, ErrTerms when the
// stamps are to be made anew.
func (g *Gate) Claim(ctx context.Context, c *Candidate, l Lease) (*Claim, error) {
	out := &Claim{Raw: c.Raw, lease: l}
	var o step.Outcome
	var doubt string
	err := g.db.Update(ctx, func(tx store.Tx) (err error) {
		if err := g.nodes.Holds(tx, l.Node, l.Session); err != nil {
			return err
		}
		m := *c.Mail
		m.Rev = c.rev
		m.Envelope.Rcpts = slices.Clone(c.Mail.Envelope.Rcpts)
		if o, doubt, err = g.claim(tx, c, &m, l); err != nil {
			return err
		}
		out.Mail, out.CopyOnly = &m, o.CopyOnly
		if m.State == mail.Sending {
			if err := g.returnPaths(tx, &m); err != nil {
				return err
			}
		}
		if out.ends, err = g.domainEnds(tx, m.Mailbox.Domain()); err != nil {
			return err
		}
		out.epoch, err = g.reg.Epoch(tx)
		return err
	})
	switch {
	case errors.Is(err, mail.ErrStale):
		return nil, nil // cancelled or held meanwhile
	case err != nil:
		return nil, err
	case doubt != "" || !c.intact:
		g.o.Log.Error("altered", "mail", c.Mail.ID, "digest", c.Mail.Digest, "why", doubt)
	}
	if o.Answer != step.Done || o.State != mail.Sending { // another attempt has it
		return nil, nil
	}
	return out, nil
}

func (g *Gate) claim(tx store.Tx, c *Candidate, m *mail.Mail, l Lease) (step.Outcome, string, error) {
	facts, now, doubt, err := g.grounds(tx, m)
	if err != nil {
		return step.Outcome{}, "", err
	}
	facts.Intact = facts.Intact && c.intact
	if !c.Stamped && !sameTerms(c.terms, now) {
		return step.Outcome{}, "", ErrTerms
	}
	out, err := g.move(tx, m, queue.Change{
		Event: step.Claim, Facts: facts, Actor: audit.System, Extra: because(doubt),
		Apply: func(m *mail.Mail, _ audit.Ref) { applyClaim(m, tx.Now(), now.copy, l) },
	})
	if err == nil && out.State == mail.Sending && out.Answer == step.Done && m.Release == nil {
		err = ErrTerms // let pass only since the candidate was read: it has no stamps
	}
	return out, doubt, err
}

// sameTerms ignores the time: the stamps keep the one they were made with.
func sameTerms(a, b terms) bool {
	a.release.At, b.release.At = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// applyClaim commits the attempt before its dial: should the node die now, the
// next time is already set.
func applyClaim(m *mail.Mail, now time.Time, copyTo mail.Address, l Lease) {
	if m.State == mail.Held {
		voidRelease(m, now)
		return
	}
	if m.ReleasedAt.IsZero() { // invariant 6: the second clock starts
		m.ReleasedAt = m.Release.At
	}
	addCopy(m, copyTo) // at a retry too: the mode may have become monitored
	m.Attempts++
	m.NextAttempt = now.Add(l.Retry)
	m.Lease = mail.Lease{Node: l.Node, Token: m.Lease.Token + 1, Until: now.Add(l.For)}
}

// voidRelease is what going back to held does to the record: the decision and
// the stamps are void, and a new hold begins.
func voidRelease(m *mail.Mail, now time.Time) {
	m.Release, m.Prefix, m.Decisions, m.ReleasedAt = nil, nil, nil, time.Time{}
	m.ExpiresAt = expiry(now, m)
}

// addCopy adds the oversight address of a monitored mailbox, outside the digest. It
// takes the place of an earlier one that has not got its copy.
func addCopy(m *mail.Mail, to mail.Address) {
	if to.IsZero() {
		return
	}
	m.Envelope.Rcpts = slices.DeleteFunc(m.Envelope.Rcpts, func(r mail.Rcpt) bool {
		return r.Copy && r.Addr != to && r.Standing == mail.Pending
	})
	for i, r := range m.Envelope.Rcpts {
		if r.Addr != to || !r.Copy && r.Standing == mail.Bounced { // what bounced before is no copy
			continue
		}
		// Named by the author: no second copy, but no way out either.
		m.Envelope.Rcpts[i].Owed = !r.Copy
		return
	}
	m.Envelope.Rcpts = append(m.Envelope.Rcpts,
		mail.Rcpt{Addr: to, Copy: true, Notify: []string{"NEVER"}, Standing: mail.Pending})
}

// Envelope is the mail as a next hop may see it: a claim for the copy alone
// shows no other recipient.
func (c *Claim) Envelope() *mail.Mail {
	if !c.CopyOnly {
		return c.Mail
	}
	m := *c.Mail
	m.Envelope.Rcpts = nil
	for _, r := range c.Mail.Envelope.Rcpts {
		if r.Watches() {
			m.Envelope.Rcpts = append(m.Envelope.Rcpts, r)
		}
	}
	return &m
}

// Proceed asks policy once more, before DATA and before the final dot (invariant 11).
// ErrStopped says that nothing more may be sent. With an unchanged epoch, and
// a domain that still counts as verified, no facts are read.
func (g *Gate) Proceed(ctx context.Context, c *Claim) error {
	return g.db.View(ctx, func(tx store.Tx) error {
		if !tx.Now().Add(c.lease.Margin).Before(c.Mail.Lease.Until) {
			return errLeaseOver
		}
		if err := g.nodes.Holds(tx, c.lease.Node, c.lease.Session); err != nil {
			return err
		}
		epoch, err := g.reg.Epoch(tx)
		if counts := c.ends.IsZero() || tx.Now().Before(c.ends); err != nil || epoch == c.epoch && counts {
			return err
		}
		p, err := g.permission(tx, c.Mail)
		if err == nil && (p == step.Stop || p == step.CopyOnly && !c.CopyOnly) {
			err = ErrStopped
		}
		return err
	})
}

func (g *Gate) permission(tx store.Tx, m *mail.Mail) (step.Permission, error) {
	facts, err := g.Facts(tx, m)
	if err != nil {
		return step.Stop, err
	}
	return step.Proceed(facts), nil
}

// Postpone moves the next attempt of a mail that could not be claimed for a
// reason of ours, such as a missing key. The mail stays ready.
func (g *Gate) Postpone(ctx context.Context, id mail.ID, by time.Duration) error {
	return g.update(ctx, func(tx store.Tx) error {
		m, err := g.q.Load(tx, id)
		if err != nil {
			return err
		}
		return g.q.Reschedule(tx, m, tx.Now().Add(by))
	})
}
