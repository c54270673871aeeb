package queue_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// to stores a ready mail to a destination which is due at a time.
func (f *fixture) to(domain string, at time.Time) *mail.Mail {
	f.Helper()
	m := f.draft(mail.Outgoing, f.box)
	m.Envelope.Rcpts[0].Addr = mail.MustAddress("ada@" + domain)
	m.NextAttempt = at
	return f.put(m, release)
}

func (f *fixture) group(domain string) queue.Group {
	return queue.Group(f.box.Key() + "\x00bot\x00" + domain + "\x00")
}

// due returns the ready mails of a group, limit at most.
func (f *fixture) due(g queue.Group, limit int) (ids []mail.ID) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		return f.Ledger.Due(tx, g, func(at time.Time, id mail.ID) error {
			if m := f.copyOf(tx, id); !at.Equal(m.NextAttempt.Truncate(time.Millisecond)) {
				f.Errorf("%s is due at %s, want %s", id, at, m.NextAttempt)
			}
			if ids = append(ids, id); len(ids) == limit {
				return store.Stop
			}
			return nil
		})
	})
	return ids
}

func (f *fixture) groups() (out []queue.Group) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) { out, err = f.Ledger.DueGroups(tx); return err })
	return out
}

func TestDueListsAGroupByTheTimeOfTheNextAttempt(t *testing.T) {
	f := build(t)
	now := f.clock.Now()
	late, early := f.to("dest.test", now.Add(time.Hour)), f.to("dest.test", now)
	f.to("other.test", now)
	f.wantIDs("all", f.due(f.group("dest.test"), 10), nil, early.ID, late.ID)
	f.wantIDs("the first", f.due(f.group("dest.test"), 1), nil, early.ID)
	f.wantIDs("a group without mail", f.due(f.group("none.test"), 10), nil)
	f.move(early.ID, claim(now.Add(time.Hour)))
	f.wantIDs("after a claim", f.due(f.group("dest.test"), 10), nil, late.ID)
}

func TestDueEndsWithTheErrorOfItsCaller(t *testing.T) {
	f := build(t)
	f.ready()
	err := f.DB.View(t.Context(), func(tx store.Tx) error {
		return f.Ledger.Due(tx, f.group("dest.test"), func(time.Time, mail.ID) error { return errUndo })
	})
	if !errors.Is(err, errUndo) {
		t.Errorf("got %v", err)
	}
}

func TestDueGroupsListsEachGroupWithReadyMailOnce(t *testing.T) {
	f := build(t)
	now := f.clock.Now()
	if got := f.groups(); len(got) != 0 {
		t.Errorf("without mail: %q", got)
	}
	f.to("b.test", now)
	f.to("b.test", now.Add(time.Hour))
	last := f.to("a.test", now)
	several := f.draft(mail.Outgoing, f.box)
	several.Envelope.Rcpts = append(several.Envelope.Rcpts,
		mail.Rcpt{Addr: mail.MustAddress("ada@a.test"), Standing: mail.Pending})
	f.put(several, release)
	f.held()
	want := []queue.Group{f.group("*"), f.group("a.test"), f.group("b.test")}
	if got := f.groups(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	f.move(last.ID, cancel)
	want = []queue.Group{f.group("*"), f.group("b.test")}
	if got := f.groups(); !slices.Equal(got, want) {
		t.Errorf("after the last mail of a group: %q, want %q", got, want)
	}
}

func TestFreshGroupsAreThoseOfCommittedReadyMail(t *testing.T) {
	f := build(t)
	fresh := func(want ...queue.Group) {
		f.Helper()
		got, lost := f.Ledger.FreshGroups()
		slices.Sort(got)
		if !slices.Equal(got, want) || lost {
			t.Errorf("got %q, lost %t, want %q", got, lost, want)
		}
	}
	fresh()
	a := f.to("a.test", f.clock.Now())
	f.to("b.test", f.clock.Now())
	f.to("b.test", f.clock.Now())
	h := f.held()
	fresh(f.group("a.test"), f.group("b.test"))
	fresh()
	f.undo(func(tx store.Tx) error {
		_, err := f.Ledger.Move(tx, f.copyOf(tx, h.ID), full(mail.Outgoing, approve))
		fresh() // not before the commit
		return err
	})
	fresh()
	f.Update(func(tx store.Tx) error { return f.Ledger.Reschedule(tx, f.copyOf(tx, a.ID), f.clock.Now()) })
	f.move(h.ID, approve)
	fresh(f.group("a.test"), f.group("dest.test"))
}

func TestRescheduleMovesTheNextAttemptAndNothingElse(t *testing.T) {
	f := build(t)
	now := f.clock.Now()
	m := f.to("dest.test", now)
	other := f.to("dest.test", now.Add(time.Minute))
	want := f.mail(m.ID)
	reschedule := func(id mail.ID, at time.Time, notBefore time.Time) error {
		return f.DB.Update(t.Context(), func(tx store.Tx) error {
			m := f.copyOf(tx, id)
			m.NotBefore = notBefore
			return f.Ledger.Reschedule(tx, m, at)
		})
	}
	if err := reschedule(m.ID, now.Add(2*time.Minute), time.Time{}); err != nil {
		t.Fatal(err)
	}
	f.wantIDs("put off", f.due(f.group("dest.test"), 10), nil, other.ID, m.ID)
	if got := f.mail(m.ID); got.Rev != want.Rev || got.State != mail.Ready ||
		!got.NextAttempt.Equal(now.Add(2*time.Minute)) {
		t.Errorf("%s at rev %d, next %s", got.State, got.Rev, got.NextAttempt)
	}
	if n := len(f.entries(m.ID)); n != 1 {
		t.Errorf("%d entries", n)
	}
	if got := f.counts(); !maps.Equal(got, map[mail.State]int{mail.Ready: 2}) {
		t.Errorf("counted %v", got)
	}
	if err := reschedule(m.ID, now, now.Add(time.Hour)); err != nil { // scheduled mail leaves not before its time
		t.Fatal(err)
	}
	if got := f.mail(m.ID).NextAttempt; !got.Equal(now.Add(time.Hour)) {
		t.Errorf("next %s", got)
	}
}

func TestRescheduleIsForReadyMailAlone(t *testing.T) {
	f := build(t)
	for _, m := range []*mail.Mail{f.held(), f.move(f.ready().ID, claim(f.clock.Now())), f.notice("x")} {
		before := f.keys()
		err := f.DB.Update(t.Context(), func(tx store.Tx) error {
			return f.Ledger.Reschedule(tx, f.copyOf(tx, m.ID), f.clock.Now())
		})
		if !errors.Is(err, mail.ErrStale) || !maps.Equal(f.keys(), before) {
			t.Errorf("%s mail: %v", m.State, err)
		}
	}
}
