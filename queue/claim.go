package queue

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// system is the actor of what no principal asked for.
var system = audit.Actor{Kind: "system", ID: "system"}

// claimed is a mail whose attempt is committed.
type claimed struct {
	m        *mail.Mail
	raw      []byte
	epoch    uint64
	copyOnly bool // only the oversight address may get it now
}

// errTerms: between the stamps and the claim the terms of the release changed.
var errTerms = errors.New("queue: the terms of the release have changed")

// claim moves a mail to sending, or back to held when its basis no longer
// suffices. The stamps are made outside the transaction from a snapshot; the
// transaction checks that the snapshot still holds, then stores release,
// stamps and attempt together (LAW 5). It returns nil when there is nothing to
// send now.
func (q *Queue) claim(ctx context.Context, id mail.ID) (*claimed, error) {
	for {
		c, err := q.tryClaim(ctx, id)
		switch {
		case errors.Is(err, errTerms):
			continue
		case errors.Is(err, mail.ErrStale):
			return nil, nil // cancelled or held meanwhile
		}
		return c, err
	}
}

func (q *Queue) tryClaim(ctx context.Context, id mail.ID) (*claimed, error) {
	snap, terms, facts, err := q.snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	raw, err := q.Raw(ctx, id)
	if err != nil {
		return nil, err
	}
	intact := mail.DigestOf(snap.Envelope, raw) == snap.Digest
	facts.Intact = facts.Intact && intact
	first := snap.Release == nil
	if first && step.Step(facts, step.Claim).State == mail.Sending {
		if err := q.stamp(ctx, snap, terms.Release, raw); err != nil {
			return nil, err
		}
	}
	rev, c := snap.Rev, &claimed{m: snap, raw: raw}
	err = q.db.Update(ctx, func(tx store.Tx) error {
		m := *snap
		m.Rev = rev
		m.Envelope.Rcpts = append([]mail.Rcpt(nil), snap.Envelope.Rcpts...)
		facts, terms2, doubt, err := q.look(tx, &m)
		if err != nil {
			return err
		}
		facts.Intact = facts.Intact && intact
		if first && snap.Release != nil && !sameTerms(terms, terms2) {
			return errTerms
		}
		if c.epoch, err = q.policy.Epoch(tx); err != nil {
			return err
		}
		out, err := q.Move(tx, &m, Change{
			Event: step.Claim, Facts: facts, Actor: system, Extra: because(doubt),
			Apply: func(m *mail.Mail, _ audit.Ref) { q.applyClaim(m, tx.Now(), terms2.Copy) },
		})
		if err != nil {
			return err
		}
		c.copyOnly = out.CopyOnly
		if out.Verdict == step.Done && out.State == mail.Sending && m.Release == nil {
			return errTerms // let pass only since the snapshot: it has no stamps
		}
		if out.Verdict == step.Done && out.State == mail.Held && !facts.Intact {
			q.o.Log.Error("altered", "mail", id, "digest", m.Digest, "why", doubt)
		}
		c.m = &m
		return nil
	})
	if err != nil || c.m.State != mail.Sending {
		return nil, err
	}
	return c, nil
}

// snapshot reads a mail with the terms and facts of this moment.
func (q *Queue) snapshot(ctx context.Context, id mail.ID) (m *mail.Mail, t Terms, f step.Facts, err error) {
	err = q.db.View(ctx, func(tx store.Tx) error {
		if m, err = load(tx, id); err != nil {
			return err
		}
		if f, t, _, err = q.look(tx, m); err != nil {
			return err
		}
		t.Release.At = tx.Now().Truncate(time.Second).UTC()
		return nil
	})
	return m, t, f, err
}

// look reads what policy says of m now, and whether the log bears out what the
// record says; doubt is why not.
func (q *Queue) look(tx store.Tx, m *mail.Mail) (f step.Facts, t Terms, doubt string, err error) {
	facts, err := q.policy.Facts(tx, m)
	if err != nil {
		return facts, Terms{}, "", fmt.Errorf("queue: facts of %s: %w", m.ID, err)
	}
	if doubt, err = q.doubt(tx, m); err != nil {
		return facts, Terms{}, "", fmt.Errorf("queue: grounds of %s: %w", m.ID, err)
	}
	facts.State, facts.Basis, facts.Intact = m.State, m.Basis, doubt == ""
	terms, err := q.policy.Terms(tx, m, step.Step(facts, step.Claim).Basis)
	if err != nil {
		return facts, Terms{}, "", fmt.Errorf("queue: terms of %s: %w", m.ID, err)
	}
	return facts, terms, doubt, nil
}

// sameTerms ignores the time: the stamps keep the one they were made with.
func sameTerms(a, b Terms) bool {
	a.Release.At, b.Release.At = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// stamp makes every stamp of a first attempt; LAW 7: no key, no mail.
func (q *Queue) stamp(ctx context.Context, m *mail.Mail, r mail.Release, raw []byte) error {
	m.Release, m.Prefix = &r, nil
	for _, s := range q.o.Stamps {
		h, err := s.Stamp(ctx, m, raw)
		if err != nil {
			return fmt.Errorf("queue: stamp %s: %w", m.ID, err)
		}
		m.Prefix = append(append([]byte(nil), h...), m.Prefix...)
	}
	return nil
}

// applyClaim commits the attempt before its dial: should the node die now, the
// next time is already set.
func (q *Queue) applyClaim(m *mail.Mail, now time.Time, copyTo mail.Address) {
	if m.State == mail.Held {
		m.Release, m.Prefix, m.Decisions = nil, nil, nil
		m.ReleasedAt = time.Time{}
		m.ExpiresAt = now.Add(m.HoldFor)
		return
	}
	if m.ReleasedAt.IsZero() { // LAW 6: the second clock starts
		m.ReleasedAt = m.Release.At
	}
	addCopy(m, copyTo) // at a retry too: the mode may have become monitored
	m.Attempts++
	m.NextAttempt = now.Add(q.backoff(m.Attempts))
	m.Lease = mail.Lease{Node: q.o.Node, Token: m.Lease.Token + 1, Until: now.Add(q.o.Lease)}
}

// view is the mail as the deliverer may see it: a claim for the copy alone
// shows no other recipient.
func (c *claimed) view() *mail.Mail {
	if !c.copyOnly {
		return c.m
	}
	m := *c.m
	m.Envelope.Rcpts = nil
	for _, r := range c.m.Envelope.Rcpts {
		if r.Watches() {
			m.Envelope.Rcpts = append(m.Envelope.Rcpts, r)
		}
	}
	return &m
}

// addCopy adds the oversight address of a monitored mailbox, outside the digest.
func addCopy(m *mail.Mail, to mail.Address) {
	if to.IsZero() {
		return
	}
	for i, r := range m.Envelope.Rcpts {
		if r.Addr == to {
			// Named by the author: no second copy, but no way out either.
			m.Envelope.Rcpts[i].Owed = !r.Copy
			return
		}
	}
	m.Envelope.Rcpts = append(m.Envelope.Rcpts,
		mail.Rcpt{Addr: to, Copy: true, Notify: []string{"NEVER"}, Standing: mail.Pending})
}

// postpone moves the next attempt of a mail that could not be claimed for a
// reason of ours, such as a missing key. The mail stays ready.
func (q *Queue) postpone(ctx context.Context, id mail.ID) error {
	return q.db.Update(ctx, func(tx store.Tx) error {
		return q.Reschedule(tx, id, tx.Now().Add(q.backoff(1)))
	})
}

// Reschedule sets when a ready mail is attempted next; ErrStale of package mail
// if it is not ready. Its state does not change.
func (q *Queue) Reschedule(tx store.Tx, id mail.ID, at time.Time) error {
	m, err := load(tx, id)
	if err != nil {
		return err
	}
	if m.State != mail.Ready {
		return fmt.Errorf("queue: reschedule %s: it is %s: %w", id, m.State, mail.ErrStale)
	}
	if err := space.Delete(tx, dueKey(m)); err != nil {
		return err
	}
	if at.Before(m.NotBefore) {
		at = m.NotBefore
	}
	m.NextAttempt = at
	return q.write(tx, m)
}
