package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// settle records what an attempt did: per-recipient results, the next state,
// and the notices its author gets, in one transaction.
func (q *Queue) settle(ctx context.Context, c *claimed, results []mail.Result) (*mail.Mail, error) {
	var settled *mail.Mail
	err := q.db.Update(ctx, func(tx store.Tx) error {
		m, err := load(tx, c.m.ID)
		if err != nil {
			return err
		}
		if m.State != mail.Sending || m.Lease.Token != c.m.Lease.Token {
			return fmt.Errorf("queue: settle %s: lease %d was lost: %w", m.ID, c.m.Lease.Token, mail.ErrStale)
		}
		before := slices.Clone(m.Envelope.Rcpts)
		stopped, private := record(m, results, tx.Now())
		if q.outlived(m, tx.Now()) && !stopped {
			giveUp(m, tx.Now())
		}
		facts, err := q.policy.Facts(tx, m)
		if err != nil {
			return err
		}
		_, err = q.Move(tx, m, Change{
			Event: step.Settle, Facts: facts, Actor: system, Private: private,
			Extra: attemptFacts(m, results, stopped),
			Apply: func(m *mail.Mail, _ audit.Ref) {
				m.Lease.Until = time.Time{}
				if stopped { // not the next hop's fault: due as soon as policy lets it
					m.Attempts--
					m.NextAttempt = tx.Now()
				}
			},
		})
		if err != nil {
			return err
		}
		settled = m
		return q.report(tx, m, before)
	})
	return settled, err
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
func (q *Queue) outlived(m *mail.Mail, now time.Time) bool {
	return !now.Before(m.ReleasedAt.Add(q.o.Lifetime)) && q.o.Trusted()
}

// outOfTime is the enhanced code of a delivery whose time expired (RFC 3463, 3.5).
const outOfTime = "4.4.7"

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
		rc.Result = &mail.Result{Addr: rc.Addr, Permanent: true, Enhanced: outOfTime,
			Message: "delivery time expired; last answer: " + last, At: now.UTC()}
	}
}

// lapse gives back mails whose lease ran out, or, at a start, that this node
// held when it died. What was in flight then may have been delivered: it will
// be sent again with the same bytes.
func (q *Queue) lapse(ctx context.Context, starting bool) error {
	var ids []mail.ID
	err := q.db.View(ctx, func(tx store.Tx) error {
		ids = ids[:0]
		r := store.Prefix(leasePrefix)
		if !starting {
			r.To = leasePrefix + stampTime(tx.Now())
		}
		return space.Scan(tx, r, func(key string, _ []byte) error {
			if id := mail.ID(key[len(leasePrefix)+17:]); !q.flights.has(id) {
				ids = append(ids, id)
			}
			return nil
		})
	})
	for _, id := range ids {
		// One damaged record must not stop the others, nor pass in silence.
		if err := q.lapseOne(ctx, id, starting); err != nil {
			q.o.Log.Error("lapse", "mail", id, "err", err)
		}
	}
	if len(ids) > 0 {
		q.Wake()
	}
	return err
}

func (q *Queue) lapseOne(ctx context.Context, id mail.ID, starting bool) error {
	return q.db.Update(ctx, func(tx store.Tx) error {
		m, err := load(tx, id)
		if err != nil || m.State != mail.Sending {
			return err
		}
		if m.Lease.Until.After(tx.Now()) && !(starting && m.Lease.Node == q.o.Node) {
			return nil
		}
		before, event := slices.Clone(m.Envelope.Rcpts), step.Lapse
		if q.outlived(m, tx.Now()) {
			event = step.Settle
			giveUp(m, tx.Now())
		}
		facts, err := q.policy.Facts(tx, m)
		if err != nil {
			return err
		}
		_, err = q.Move(tx, m, Change{Event: event, Facts: facts, Actor: system,
			Extra: map[string]string{"uncertain": "true"},
			Apply: func(m *mail.Mail, _ audit.Ref) { m.Lease.Until = time.Time{} }})
		if err != nil {
			return err
		}
		return q.report(tx, m, before)
	})
}
