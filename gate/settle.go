package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Settle records what an attempt did: per-recipient results, the next state,
// and the notices its author gets, in one transaction. mail.ErrStale says that
// the lease was lost: another attempt is, or was, the one that counts.
func (g *Gate) Settle(ctx context.Context, c *Claim, results []mail.Result) (*mail.Mail, error) {
	var settled *mail.Mail
	err := g.db.Update(ctx, func(tx store.Tx) error {
		m, err := g.q.Load(tx, c.Mail.ID)
		if err != nil {
			return err
		}
		if m.State != mail.Sending || m.Lease.Token != c.Mail.Lease.Token {
			return fmt.Errorf("gate: settle %s: lease %d was lost: %w", m.ID, c.Mail.Lease.Token, mail.ErrStale)
		}
		before := slices.Clone(m.Envelope.Rcpts)
		stopped, private := record(m, results, tx.Now())
		if g.outlived(m, tx.Now()) && !stopped {
			giveUp(m, tx.Now())
		}
		settled = m
		return g.endAttempt(tx, m, before, queue.Change{
			Event: step.Settle, Private: private, Extra: attemptFacts(m, results, stopped),
			Apply: func(m *mail.Mail, _ audit.Ref) {
				m.Lease.Until = time.Time{}
				if stopped { // not the next hop's fault: due as soon as policy lets it
					m.Attempts--
					m.NextAttempt = tx.Now()
				}
			},
		})
	})
	return settled, err
}

// endAttempt moves a mail out of sending and reports the recipients whose standing
// has changed.
func (g *Gate) endAttempt(tx store.Tx, m *mail.Mail, before []mail.Rcpt, c queue.Change) (err error) {
	if c.Facts, err = g.Facts(tx, m); err != nil {
		return err
	}
	c.Actor = audit.System
	if _, err = g.move(tx, m, c); err != nil {
		return err
	}
	if err = g.suppressRefused(tx, m, before); err != nil {
		return err
	}
	return g.report(tx, m, before)
}

// attemptFacts say of an attempt what its results mean for the mail. uncertain
// stands there when a final dot went unanswered: the next hop may have the mail.
func attemptFacts(m *mail.Mail, results []mail.Result, stopped bool) map[string]string {
	facts := map[string]string{"attempt": fmt.Sprint(m.Attempts), "stopped": fmt.Sprint(stopped)}
	if slices.ContainsFunc(results, func(r mail.Result) bool { return r.Uncertain }) {
		facts["uncertain"] = "true"
	}
	return facts
}

// record writes the results to the recipients. Copies count like others here;
// only the step tells them apart.
func record(m *mail.Mail, results []mail.Result, now time.Time) (stopped bool, private map[string]string) {
	private = map[string]string{}
	byAddr := map[mail.Address]mail.Result{}
	for _, r := range results {
		byAddr[r.Addr] = r
	}
	for i := range m.Envelope.Rcpts {
		rc := &m.Envelope.Rcpts[i]
		r, ok := byAddr[rc.Addr]
		if !ok || rc.Standing != mail.Pending {
			continue
		}
		r.At = now.UTC()
		rc.Result = &r
		switch {
		case r.Delivered:
			rc.Standing = mail.Delivered
		case r.Stopped:
			stopped = true
		case r.Permanent && !rc.Watches(): // oversight is not given up before the lifetime ends
			rc.Standing = mail.Bounced
		}
		private[fmt.Sprintf("rcpt%d", i)] = fmt.Sprintf("%s %s %d %s %s", rc.Addr, rc.Standing, r.Code, r.Enhanced, r.Message)
	}
	return stopped, private
}

// outlived reports whether the retry lifetime of a mail is over, by a clock
// that is not in doubt.
func (g *Gate) outlived(m *mail.Mail, now time.Time) bool {
	return !now.Before(m.ReleasedAt.Add(g.o.RetryLifetime)) && g.o.Trusted()
}

// OutOfTime is the enhanced code of a delivery whose time expired (RFC 3463, 3.5).
const OutOfTime = "4.4.7"

// giveUp ends the retry lifetime for whoever is still pending.
func giveUp(m *mail.Mail, now time.Time) {
	for i := range m.Envelope.Rcpts {
		rc := &m.Envelope.Rcpts[i]
		if rc.Standing != mail.Pending {
			continue
		}
		rc.Standing = mail.Bounced
		last := "no reply"
		if rc.Result != nil && rc.Result.Message != "" {
			last = rc.Result.Message
		}
		rc.Result = &mail.Result{Addr: rc.Addr, Permanent: true, Enhanced: OutOfTime,
			Message: "delivery time expired; last answer: " + last, At: now.UTC()}
	}
}

// Lapse gives back a mail whose lease ran out, or, at the start of node, that
// this node held when it ended. What was in flight then may have been delivered:
// it is sent again with the same bytes. A mail that has moved on is left alone.
func (g *Gate) Lapse(ctx context.Context, id mail.ID, starting string) error {
	return g.db.Update(ctx, func(tx store.Tx) error {
		m, err := g.q.Load(tx, id)
		if err != nil || m.State != mail.Sending {
			return err
		}
		if m.Lease.Until.After(tx.Now()) && !(starting != "" && m.Lease.Node == starting) {
			return nil
		}
		before, event := slices.Clone(m.Envelope.Rcpts), step.Lapse
		if g.outlived(m, tx.Now()) {
			event = step.Settle
			giveUp(m, tx.Now())
		}
		return g.endAttempt(tx, m, before, queue.Change{
			Event: event, Extra: map[string]string{"uncertain": "true"},
			Apply: func(m *mail.Mail, _ audit.Ref) { m.Lease.Until = time.Time{} },
		})
	})
}
