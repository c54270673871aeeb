package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Change is one event for one mail: who brings it, what is known, and what
// else of the mail changes when the step is made.
type Change struct {
	Event   step.Event
	Facts   step.Facts
	Actor   audit.Actor
	Private map[string]string // personal data for the audit entry
	Extra   map[string]string // further facts for the audit entry
	// Apply edits the mail after the step; ref names the audit entry.
	Apply func(m *mail.Mail, ref audit.Ref)
}

// Put stores a mail that is not there yet and gives it its first state. Only
// the gate calls it (invariant 1). When the step refuses, the caller gives up its
// transaction: nothing but an Outcome that is Done makes a mail.
func (l *Ledger) Put(tx store.Tx, m *mail.Mail, raw store.Staged, c Change) (step.Outcome, error) {
	switch _, err := space.Get(tx, mailKey(m.ID)); {
	case err == nil:
		return step.Outcome{}, fmt.Errorf("queue: put %s: the id is taken: %w", m.ID, mail.ErrStale)
	case !errors.Is(err, store.ErrNotFound):
		return step.Outcome{}, fmt.Errorf("queue: put %s: %w", m.ID, err)
	}
	out, err := l.step(tx, m, c)
	if err != nil || out.Answer != step.Done {
		return out, err
	}
	if err := space.PutBody(tx, raw); err != nil {
		return out, fmt.Errorf("queue: put %s: %w", m.ID, err)
	}
	return out, nil
}

// Adopt stores an incoming mail that an earlier format kept outside of the
// ledger, with an entry that says so. Only internal/upgrade calls it.
func (l *Ledger) Adopt(tx store.Tx, m *mail.Mail, raw store.Staged) error {
	if m.Direction != mail.Incoming || m.Notice == nil || !m.Notice.Valid() {
		return fmt.Errorf("queue: adopt %s: it is no notice", m.ID)
	}
	_, err := l.Put(tx, m, raw, Change{
		Event: step.Submit, Actor: audit.Actor{Kind: "system", ID: "system"},
		Extra: map[string]string{"about": string(m.Notice.About), "action": m.Notice.Action, "upgraded": "true"},
		Apply: func(m *mail.Mail, ref audit.Ref) { m.SubmitRef = ref.String() },
	})
	return err
}

// Move changes the state of a mail and writes the audit entry in the same
// transaction (invariant 2). m is the mail as the caller read it; when the stored
// one has moved on, nothing is changed and the error is mail.ErrStale. When
// the step refuses, nothing is changed and the Outcome says why.
func (l *Ledger) Move(tx store.Tx, m *mail.Mail, c Change) (step.Outcome, error) {
	now, err := l.Load(tx, m.ID)
	if err != nil {
		return step.Outcome{}, err
	}
	if now.Rev != m.Rev {
		return step.Outcome{}, fmt.Errorf("queue: move %s from rev %d to %d: %w", m.ID, m.Rev, now.Rev, mail.ErrStale)
	}
	for _, k := range indexes(now) {
		if err := space.Delete(tx, k); err != nil {
			return step.Outcome{}, err
		}
	}
	out, err := l.step(tx, m, c)
	if err == nil && out.Answer != step.Done {
		err = putIndexes(tx, now)
	}
	return out, err
}

// step is the only writer of a state.
func (l *Ledger) step(tx store.Tx, m *mail.Mail, c Change) (step.Outcome, error) {
	from := m.State
	c.Facts.Direction, c.Facts.Notice = m.Direction, m.Notice != nil
	c.Facts.State, c.Facts.Basis = m.State, m.Basis
	out := step.Step(c.Facts, c.Event)
	if out.Answer != step.Done {
		return out, nil
	}
	if !from.CanFollow(out.State) {
		return out, fmt.Errorf("queue: fault of the program: %s may not follow %s", out.State, from)
	}
	if out.State == mail.Erased {
		if err := space.DeleteBody(tx, RawKey(m.ID)); err != nil {
			return out, err
		}
		*m = m.Stub()
	}
	m.State, m.Basis, m.Rev = out.State, out.Basis, m.Rev+1
	switch {
	case !m.State.Final():
		m.FinishedAt = time.Time{}
	case m.FinishedAt.IsZero():
		m.FinishedAt = tx.Now()
	}
	ref, err := l.log.Append(tx, audit.Record{
		Kind: audit.Kind(out.Kind), Mail: string(m.ID), Rev: m.Rev, Digest: string(m.Digest),
		Actor: c.Actor, Facts: facts(c, from, out), Private: c.Private,
	})
	if err != nil {
		return out, fmt.Errorf("queue: record %s of %s: %w", c.Event, m.ID, err)
	}
	if c.Apply != nil {
		c.Apply(m, ref)
	}
	if err := l.count(tx, m, from); err != nil {
		return out, err
	}
	return out, l.write(tx, m)
}

// facts are the inputs of the decision, so that a replay can ask what another
// mode would have done.
func facts(c Change, from mail.State, out step.Outcome) map[string]string {
	f := c.Facts
	facts := map[string]string{
		"table": strconv.Itoa(step.Version), "direction": f.Direction.String(),
		"event": c.Event.String(), "from": from.String(), "to": out.State.String(),
		"mode": f.Mode.String(), "basis": f.Basis.String(), "basis_after": out.Basis.String(),
		"delivered": strconv.Itoa(int(f.Delivered)),
	}
	for name, v := range map[string]bool{
		"notice": f.Notice, "frozen": f.Frozen, "listed": f.Listed, "due": f.Due, "late": f.Late,
		"intact": f.Intact, "match": f.Match, "self": f.Self, "pending": f.Pending, "owed": f.Owed,
		"unverified": f.Unverified, "overdue": f.Overdue, "spam": f.Spam, "kept": f.Kept, "deferred": f.Deferred,
		"copy_only": out.CopyOnly,
	} {
		facts[name] = strconv.FormatBool(v)
	}
	for k, v := range c.Extra {
		facts[k] = v
	}
	return facts
}

// Reschedule sets when a ready mail is attempted next, not before its time;
// mail.ErrStale if it is not ready. Its state does not change.
func (l *Ledger) Reschedule(tx store.Tx, m *mail.Mail, at time.Time) error {
	if m.State != mail.Ready {
		return fmt.Errorf("queue: reschedule %s: it is %s: %w", m.ID, m.State, mail.ErrStale)
	}
	if err := space.Delete(tx, dueKey(m)); err != nil {
		return err
	}
	if at.Before(m.NotBefore) {
		at = m.NotBefore
	}
	m.NextAttempt = at
	return l.write(tx, m)
}

// write stores the record and its indexes.
func (l *Ledger) write(tx store.Tx, m *mail.Mail) error {
	b, err := json.Marshal(m)
	if err == nil {
		err = space.Put(tx, mailKey(m.ID), b)
	}
	if err == nil {
		err = putIndexes(tx, m)
	}
	keys := []string{mailKey(m.ID)}
	if err == nil {
		err = show(tx, m)
	}
	if m.Direction == mail.Incoming && m.Visible() {
		keys = append(keys, mailboxOf(mail.Incoming, m.Mailbox))
	}
	if err != nil {
		return fmt.Errorf("queue: write %s: %w", m.ID, err)
	}
	if m.State == mail.Ready {
		group := groupOf(m)
		tx.AfterCommit(func() { l.fresh.add(group) })
	}
	l.wrote(tx, keys...)
	return nil
}

// show keeps the index of a mailbox: what is not Visible is not in it, and no list, search
// or wait of its agents can come upon it.
func show(tx store.Tx, m *mail.Mail) error {
	key := mailboxOf(m.Direction, m.Mailbox) + string(m.ID)
	switch {
	case !m.Visible():
		return space.Delete(tx, key)
	case m.Direction == mail.Incoming || m.Rev == 1:
		return space.Put(tx, key, nil)
	}
	return nil
}

func putIndexes(tx store.Tx, m *mail.Mail) error {
	for _, k := range indexes(m) {
		if err := space.Put(tx, k, nil); err != nil {
			return err
		}
	}
	return nil
}
