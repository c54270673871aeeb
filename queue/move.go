package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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
// the gate calls it (LAW 1).
func (q *Queue) Put(tx store.Tx, m *mail.Mail, raw store.Staged, c Change) (step.Outcome, error) {
	if _, err := space.Get(tx, mailKey(m.ID)); !errors.Is(err, store.ErrNotFound) {
		return step.Outcome{}, fmt.Errorf("queue: put %s: id is taken: %w", m.ID, errors.Join(mail.ErrStale, err))
	}
	if err := space.PutBody(tx, raw); err != nil {
		return step.Outcome{}, fmt.Errorf("queue: put %s: %w", m.ID, err)
	}
	if err := space.Put(tx, boxKey(m.Mailbox, m.ID), nil); err != nil {
		return step.Outcome{}, fmt.Errorf("queue: put %s: %w", m.ID, err)
	}
	return q.step(tx, m, c)
}

// Move changes the standing of a mail and writes the audit entry in the same
// transaction (LAW 2). m is the mail as the caller read it; when the stored
// one has moved on, nothing is changed and the error is mail.ErrStale. When
// the step refuses, nothing is changed and the Outcome says why.
func (q *Queue) Move(tx store.Tx, m *mail.Mail, c Change) (step.Outcome, error) {
	now, err := load(tx, m.ID)
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
	out, err := q.step(tx, m, c)
	if err == nil && out.Verdict != step.Done {
		err = q.write(tx, now) // the indexes again
	}
	return out, err
}

// step is the one hand on the state.
func (q *Queue) step(tx store.Tx, m *mail.Mail, c Change) (step.Outcome, error) {
	from := m.State
	c.Facts.State, c.Facts.Basis = m.State, m.Basis
	out := step.Step(c.Facts, c.Event)
	if out.Verdict != step.Done {
		return out, nil
	}
	if !from.CanFollow(out.State) {
		return out, fmt.Errorf("queue: our bug: %s may not follow %s", out.State, from)
	}
	m.State, m.Basis, m.Rev = out.State, out.Basis, m.Rev+1
	if m.State.Final() {
		m.FinishedAt = tx.Now()
	}
	ref, err := q.log.Append(tx, audit.Record{
		Kind: audit.Kind(out.Kind), Mail: string(m.ID), Rev: m.Rev, Digest: string(m.Digest),
		Actor: c.Actor, Facts: facts(c, from, out), Private: c.Private,
	})
	if err != nil {
		return out, fmt.Errorf("queue: record %s of %s: %w", c.Event, m.ID, err)
	}
	if c.Apply != nil {
		c.Apply(m, ref)
	}
	if err := errors.Join(q.count(tx, from, out.State), q.tally(tx, m, from, out.State)); err != nil {
		return out, err
	}
	if err := q.write(tx, m); err != nil {
		return out, err
	}
	return out, q.notify(tx, m, out.State)
}

// facts are the inputs of the decision, so that a replay can ask what another
// mode would have done.
func facts(c Change, from mail.State, out step.Outcome) map[string]string {
	f := c.Facts
	facts := map[string]string{
		"event": c.Event.String(), "from": from.String(), "to": out.State.String(),
		"mode": f.Mode.String(), "basis": f.Basis.String(), "basis_after": out.Basis.String(),
		"delivered": strconv.Itoa(int(f.Delivered)),
	}
	for name, v := range map[string]bool{
		"frozen": f.Frozen, "listed": f.Listed, "due": f.Due, "late": f.Late,
		"intact": f.Intact, "match": f.Match, "self": f.Self, "pending": f.Pending, "owed": f.Owed,
		"copy_only": out.CopyOnly,
	} {
		facts[name] = strconv.FormatBool(v)
	}
	for k, v := range c.Extra {
		facts[k] = v
	}
	return facts
}

// exists reports whether a key is there.
func exists(tx store.Tx, key string) (bool, error) {
	_, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// write stores the record and its indexes.
func (q *Queue) write(tx store.Tx, m *mail.Mail) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("queue: write %s: %w", m.ID, err)
	}
	if err := space.Put(tx, mailKey(m.ID), b); err != nil {
		return fmt.Errorf("queue: write %s: %w", m.ID, err)
	}
	q.wakeLater(tx, mailKey(m.ID))
	for _, k := range indexes(m) {
		if err := space.Put(tx, k, nil); err != nil {
			return fmt.Errorf("queue: write %s: %w", m.ID, err)
		}
	}
	if m.State == mail.Ready {
		q.notes.add(dueKey(m))
	}
	return nil
}

// count keeps how many mails stand in each state.
func (q *Queue) count(tx store.Tx, from, to mail.State) error {
	add := func(s mail.State, d int) error {
		if s == mail.New {
			return nil
		}
		n, err := readCount(tx, s)
		if err != nil {
			return err
		}
		return space.Put(tx, countPrefix+s.String(), []byte(strconv.Itoa(n+d)))
	}
	return errors.Join(add(from, -1), add(to, 1))
}

func readCount(tx store.Tx, s mail.State) (int, error) {
	b, err := space.Get(tx, countPrefix+s.String())
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// load reads one record.
func load(tx store.Tx, id mail.ID) (*mail.Mail, error) {
	b, err := space.Get(tx, mailKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("queue: %s: %w", id, mail.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: read %s: %w", id, err)
	}
	m := new(mail.Mail)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("queue: read %s: %w", id, err)
	}
	if m.ID != id || m.State == mail.New || m.Mailbox.IsZero() {
		return nil, fmt.Errorf("queue: read %s: %w", id, errDamaged)
	}
	return m, nil
}

// errDamaged: what stands in the place of a record is JSON and no mail.
var errDamaged = errors.New("the record is damaged")
