package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// model is a ledger on the store, worked on by two nodes, and what should be in
// it: a plain map. After any operations every list and count of the one must
// follow from the other.
type model struct {
	*fixture
	r       *rand.Rand
	ledgers []*queue.Ledger
	boxes   []mail.Address
	mails   map[mail.ID]*mail.Mail
	undone  int // operations that were rolled back
	refused int
	most    map[string]int // the longest lists that were compared
}

func (m *model) ledger() *queue.Ledger { return m.ledgers[m.r.IntN(len(m.ledgers))] }

// soon is a time around now, in steps, so that some coincide.
func (m *model) soon() time.Time {
	return m.clock.Now().Add(time.Duration(m.r.IntN(20)-10) * time.Minute)
}

// commit runs a change of a mail and notes what became of it; one in eight is
// rolled back.
func (m *model) commit(to *mail.Mail, change func(tx store.Tx) (done bool, err error)) {
	m.Helper()
	undo, done := m.r.IntN(8) == 0, false
	err := m.DB.Update(context.WithoutCancel(m.Context()), func(tx store.Tx) (err error) {
		if done, err = change(tx); err == nil && undo {
			err = errUndo
		}
		return err
	})
	switch {
	case errors.Is(err, errUndo):
		m.undone++
	case err != nil:
		m.Fatal(err)
	case done:
		m.mails[to.ID] = to
	default:
		m.refused++
	}
}

func (m *model) put() {
	n := m.draft(mail.Directions[m.r.IntN(2)], m.boxes[m.r.IntN(len(m.boxes))])
	n.Size, n.Agent = int64(m.r.IntN(1000)), []string{"bot", "bot2"}[m.r.IntN(2)]
	n.Envelope.Rcpts[0].Addr = mail.MustAddress(fmt.Sprintf("ada@d%d.test", m.r.IntN(3)))
	n.ExpiresAt, n.NextAttempt = m.soon(), m.soon()
	if n.Direction == mail.Incoming && m.r.IntN(2) == 0 {
		n.Notice = &mail.Notice{About: "x", Action: "failed"}
	}
	facts := m.facts()
	want := m.expected(n, facts, step.Submit)
	m.commit(n, func(tx store.Tx) (bool, error) {
		out, err := m.ledger().Put(tx, n, bodyOf(n), full(n.Direction, queue.Change{Event: step.Submit, Facts: facts}))
		m.same(out, want)
		return out.Answer == step.Done, err
	})
}

func (m *model) move() {
	if len(m.mails) == 0 {
		return
	}
	n := *m.any()
	events := append(step.Events[1:step.Clear:step.Clear], step.Claim, step.Claim, step.Claim, step.Claim,
		step.Settle, step.Settle, step.Settle)
	if m.r.IntN(8) == 0 {
		events = []step.Event{step.Erase, step.Report, step.Bounce, step.Clear}
	}
	event, facts := events[m.r.IntN(len(events))], m.facts()
	want := m.expected(&n, facts, event)
	m.commit(&n, func(tx store.Tx) (bool, error) {
		out, err := m.ledger().Move(tx, &n, full(n.Direction, queue.Change{Event: event, Facts: facts,
			Apply: func(n *mail.Mail, _ audit.Ref) {
				n.ExpiresAt, n.NextAttempt, n.Lease.Until = m.soon(), m.soon(), m.soon()
			}}))
		m.same(out, want)
		return out.Answer == step.Done, err
	})
}

func (m *model) reschedule() {
	if len(m.mails) == 0 {
		return
	}
	n, at := *m.any(), m.soon()
	m.commit(&n, func(tx store.Tx) (bool, error) {
		err := m.ledger().Reschedule(tx, &n, at)
		if stale := errors.Is(err, mail.ErrStale); stale != (n.State != mail.Ready) {
			m.Errorf("reschedule of %s mail: %v", n.State, err)
		} else if stale {
			return false, nil
		}
		return true, err
	})
}

// any returns one of the mails, most often one that is not finished.
func (m *model) any() *mail.Mail {
	open := m.sorted(func(n *mail.Mail) bool { return !n.State.Final() }, noTime)
	if len(open) == 0 || m.r.IntN(8) == 0 {
		open = m.sorted(func(*mail.Mail) bool { return true }, noTime)
	}
	return m.mails[open[m.r.IntN(len(open))]]
}

// facts are facts of any kind, most of which let something happen.
func (m *model) facts() step.Facts {
	often, seldom := func() bool { return m.r.IntN(8) > 0 }, func() bool { return m.r.IntN(8) == 0 }
	return step.Facts{Mode: mail.Modes[m.r.IntN(len(mail.Modes))], Listed: seldom(), Due: often(), Late: seldom(),
		Intact: often(), Match: often(), Self: seldom(), Frozen: seldom(), Pending: m.r.IntN(2) == 0, Owed: seldom(),
		Unverified: seldom(), Overdue: seldom(), Spam: seldom(), Kept: seldom(),
		Delivered: step.Progress(m.r.IntN(3))}
}

func (m *model) expected(n *mail.Mail, f step.Facts, e step.Event) step.Outcome {
	f.Direction, f.Notice, f.State, f.Basis = n.Direction, n.Notice != nil, n.State, n.Basis
	return step.Step(f, e)
}

func (m *model) same(got, want step.Outcome) {
	m.Helper()
	if got != want {
		m.Errorf("the outcome is %+v, want %+v", got, want)
	}
}

func TestTheLedgerAgreesWithAModelWhateverHappens(t *testing.T) {
	reached, most := map[mail.State]bool{}, map[string]int{}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := build(t)
			m := &model{fixture: f, r: rand.New(rand.NewPCG(seed, 0)), mails: map[mail.ID]*mail.Mail{},
				most: most, ledgers: []*queue.Ledger{f.Ledger, f.NewLedger("other")},
				boxes: []mail.Address{f.box, mail.MustAddress("bot2@example.test")}}
			ops := []func(){m.put, m.put, m.move, m.move, m.move, m.move, m.reschedule,
				func() { m.clock.Forward(time.Duration(m.r.IntN(5)) * time.Minute) }}
			for range 40 {
				for range 10 {
					ops[m.r.IntN(len(ops))]()
				}
				m.check()
			}
			for _, n := range m.mails {
				reached[n.State] = true
			}
			if m.undone == 0 || m.refused == 0 {
				t.Errorf("%d undone, %d refused: the walk looks past them", m.undone, m.refused)
			}
			sum := m.counts()
			m.Update(func(tx store.Tx) error { return m.ledgers[0].Recount(tx) })
			if got := m.counts(); !maps.Equal(got, sum) {
				t.Errorf("counted anew %v, before %v", got, sum)
			}
			m.check()
			if _, err := m.Gate.VerifyLog(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if most["refused"] < 2 || most["kept"] <= 7 {
		t.Errorf("the longest lists had %v mails: the walk looks past their pages", most)
	}
	for _, s := range mail.States[1:] {
		if !reached[s] {
			t.Errorf("no mail was %s: the walk looks past it", s)
		}
	}
}

// sorted returns the ids of the mails that fit, in the order of a time and then
// of their ids.
func (m *model) sorted(fits func(*mail.Mail) bool, at func(*mail.Mail) time.Time) (ids []mail.ID) {
	var list []*mail.Mail
	for _, n := range m.mails {
		if fits(n) {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b *mail.Mail) int { return cmp.Or(at(a).Compare(at(b)), cmp.Compare(a.ID, b.ID)) })
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	return ids
}

func noTime(*mail.Mail) time.Time { return time.Time{} }

// check compares all that can be read with the model.
func (m *model) check() {
	m.Helper()
	m.View(func(tx store.Tx) error {
		l := m.ledger()
		m.checkRecords(tx, l)
		m.checkStates(tx, l)
		m.checkTimes(tx, l)
		m.checkRefused(tx, l)
		for _, box := range m.boxes {
			m.checkMailbox(tx, l, box)
		}
		return nil
	})
	counts := map[mail.State]int{}
	for _, n := range m.mails {
		counts[n.State]++
	}
	if got := m.counts(); !maps.Equal(got, counts) {
		m.Errorf("counted %v, want %v", got, counts)
	}
	if m.Failed() {
		m.FailNow()
	}
}

func (m *model) checkRecords(tx store.Tx, l *queue.Ledger) {
	all := m.sorted(func(*mail.Mail) bool { return true }, noTime)
	slices.Reverse(all)
	got, err := idsOf(l.All(tx, "", 1<<20))
	m.wantIDs("all", got, err, all...)
	for _, want := range m.mails {
		n := m.copyOf(tx, want.ID)
		if n.State != want.State || n.Basis != want.Basis || n.Rev != want.Rev || !n.NextAttempt.Equal(want.NextAttempt) ||
			!n.FinishedAt.Equal(want.FinishedAt) || n.State.Final() == n.FinishedAt.IsZero() {
			m.Errorf("stored %+v, want %+v", n, want)
		}
	}
	standings, err := l.Standings(tx, "", 1<<20)
	if err != nil || len(standings) != len(all) {
		m.Errorf("%d standings of %d mails: %v", len(standings), len(all), err)
	}
	for _, s := range standings {
		n := m.mails[mail.ID(s.Mail)]
		if s.Damage != "" || s.Rev != n.Rev || s.State != n.State.String() || s.Basis != n.Basis.String() {
			m.Errorf("the standing %+v of %+v", s, n)
		}
	}
}

func (m *model) checkStates(tx store.Tx, l *queue.Ledger) {
	for _, d := range mail.Directions {
		for _, s := range mail.States[1:] {
			var want []mail.ID
			if !s.Final() {
				want = m.sorted(func(n *mail.Mail) bool { return n.Direction == d && n.State == s }, noTime)
			}
			got, err := idsOf(l.InState(tx, d, s, "", 1<<20))
			m.wantIDs(d.String()+" "+s.String(), got, err, want...)
		}
	}
}

func (m *model) checkTimes(tx store.Tx, l *queue.Ledger) {
	until := func(n *mail.Mail) time.Time { return n.Lease.Until }
	sending := func(n *mail.Mail) bool { return n.State == mail.Sending }
	got, err := l.Overdue(tx)
	m.wantIDs("overdue", got, err, m.sorted(
		func(n *mail.Mail) bool {
			return (n.State == mail.Held || n.State == mail.Quarantined) && !n.ExpiresAt.After(tx.Now())
		},
		func(n *mail.Mail) time.Time { return n.ExpiresAt })...)
	got, err = l.Leased(tx, false)
	m.wantIDs("leased", got, err, m.sorted(sending, until)...)
	got, err = l.Leased(tx, true)
	m.wantIDs("lapsed", got, err, m.sorted(
		func(n *mail.Mail) bool { return sending(n) && n.Lease.Until.Before(tx.Now()) }, until)...)

	groupOf := func(n *mail.Mail) queue.Group {
		return queue.Group(n.Mailbox.Key() + "\x00" + n.Agent + "\x00" + n.Envelope.Rcpts[0].Addr.Domain() + "\x00")
	}
	groups := map[queue.Group]bool{}
	for _, n := range m.mails {
		if n.State == mail.Ready {
			groups[groupOf(n)] = true
		}
	}
	listed, err := l.DueGroups(tx)
	if want := slices.Sorted(maps.Keys(groups)); err != nil || !slices.Equal(listed, want) {
		m.Errorf("groups %q, %v, want %q", listed, err, want)
	}
	for g := range groups {
		var got []mail.ID
		err := l.Due(tx, g, func(_ time.Time, id mail.ID) error { got = append(got, id); return nil })
		m.wantIDs("due", got, err, m.sorted(
			func(n *mail.Mail) bool { return n.State == mail.Ready && groupOf(n) == g },
			func(n *mail.Mail) time.Time { return n.NextAttempt })...)
	}
}

// checkRefused asks for incoming mail that its mailbox did not get, in pages, all of it and
// what ended before now.
func (m *model) checkRefused(tx store.Tx, l *queue.Ledger) {
	for _, before := range []time.Time{tx.Now().Add(time.Millisecond), tx.Now()} {
		var got []mail.ID
		for cursor, more := "", true; more; {
			page, next, err := l.Refused(tx, before, cursor, 1)
			if err != nil {
				m.Fatal(err)
			}
			got, cursor, more = append(got, page...), next, len(page) == 1
		}
		want := m.sorted(func(n *mail.Mail) bool {
			ended := n.State == mail.Rejected || n.State == mail.Cancelled || n.State == mail.Expired
			return ended && n.Direction == mail.Incoming && n.FinishedAt.Before(before)
		}, func(n *mail.Mail) time.Time { return n.FinishedAt })
		m.wantIDs("refused before "+before.String(), got, nil, want...)
		m.seen("refused", len(got))
	}
}

// checkKept asks for the mail of a mailbox that is over, in pages.
func (m *model) checkKept(tx store.Tx, l *queue.Ledger, box mail.Address) {
	var got []mail.ID
	for after, more := mail.ID(""), true; more; {
		page, err := idsOf(l.Kept(tx, box, after, 7))
		if err != nil {
			m.Fatal(err)
		}
		if got, more = append(got, page...), len(page) == 7; more {
			after = page[6]
		}
	}
	want := m.sorted(func(n *mail.Mail) bool {
		return n.Mailbox == box && n.State.Final() && n.State != mail.Erased
	}, noTime)
	m.wantIDs("kept of "+box.String(), got, nil, want...)
	m.seen("kept", len(got))
}

// seen notes that a list had so many mails at once: the walk must fill pages of it.
func (m *model) seen(list string, n int) { m.most[list] = max(m.most[list], n) }

func (m *model) checkMailbox(tx store.Tx, l *queue.Ledger, box mail.Address) {
	m.checkKept(tx, l, box)
	for _, d := range mail.Directions {
		want := m.sorted(func(n *mail.Mail) bool {
			return n.Mailbox == box && n.Direction == d && n.State != mail.Erased &&
				(d == mail.Outgoing || n.State == mail.Received)
		}, noTime)
		slices.Reverse(want)
		var got []mail.ID
		for before, more := mail.ID(""), true; more; { // in pages
			page, err := idsOf(l.ByMailbox(tx, box, d, before, 7))
			if err != nil {
				m.Fatal(err)
			}
			if got, more = append(got, page...), len(page) == 7; more {
				before = page[6]
			}
		}
		m.wantIDs(d.String()+" of "+box.String(), got, nil, want...)
		for _, s := range []mail.State{mail.Held, mail.Ready, mail.Quarantined, mail.Received} {
			var tally queue.Tally
			for _, n := range m.mails {
				same := n.State == s || s == mail.Ready && n.State == mail.Sending
				if n.Mailbox == box && same && (s != mail.Held || n.Direction == d) {
					tally.Count, tally.Octets = tally.Count+1, tally.Octets+n.Size
				}
			}
			if got, err := l.Tally(tx, box, d, s); err != nil || got != tally {
				m.Errorf("%s %s of %s: counted %+v, %v, want %+v", d, s, box, got, err, tally)
			}
		}
	}
}
