package queue_test

import (
	"testing"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// watching watches the mail, its mailbox and everything, and returns who was woken.
func (f *fixture) watching(id mail.ID) (woken func() string, stop func()) {
	written, stopMail := f.Queue.WatchMail(id)
	received, stopInbox := f.Queue.WatchInbox(f.box)
	other, stopOther := f.Queue.WatchMail("other")
	changed := f.Queue.Changed()
	woken = func() (s string) {
		for _, w := range []struct {
			name string
			ch   <-chan struct{}
		}{{"mail ", written}, {"inbox ", received}, {"other ", other}, {"changed ", changed}} {
			select {
			case <-w.ch:
				s += w.name
			default:
			}
		}
		return s
	}
	return woken, func() { stopMail(); stopInbox(); stopOther() }
}

func TestWatchersAreWokenByACommitAndNotBefore(t *testing.T) {
	f := build(t)
	m := f.held()
	incoming := f.put(f.draft(mail.Incoming, f.box), hold)
	ready := f.ready()
	for _, c := range []struct {
		name   string
		id     mail.ID
		change func(store.Tx) error
		want   string
	}{
		{"a step of outgoing mail", m.ID, func(tx store.Tx) error {
			_, err := f.Ledger.Move(tx, f.copyOf(tx, m.ID), full(mail.Outgoing, approve))
			return err
		}, "mail changed "},
		{"mail that is received", incoming.ID, func(tx store.Tx) error {
			_, err := f.Ledger.Move(tx, f.copyOf(tx, incoming.ID), full(mail.Incoming, approve))
			return err
		}, "mail inbox changed "},
		{"another time", ready.ID, func(tx store.Tx) error {
			return f.Ledger.Reschedule(tx, f.copyOf(tx, ready.ID), f.clock.Now())
		}, "mail changed "},
	} {
		woken, stop := f.watching(c.id)
		f.undo(func(tx store.Tx) error {
			err := c.change(tx)
			if got := woken(); got != "" {
				t.Errorf("%s: before its commit it woke %s", c.name, got)
			}
			return err
		})
		if got := woken(); got != "" {
			t.Errorf("%s: rolled back it woke %s", c.name, got)
		}
		f.Update(c.change)
		if got := woken(); got != c.want {
			t.Errorf("%s woke %q, want %q", c.name, got, c.want)
		}
		stop()
	}
}

func TestARefusedStepWakesNobody(t *testing.T) {
	f := build(t)
	m := f.held()
	woken, stop := f.watching(m.ID)
	defer stop()
	f.Update(func(tx store.Tx) error {
		out, err := f.Ledger.Move(tx, f.copyOf(tx, m.ID), full(mail.Outgoing, sent))
		if out.Answer != step.Stale {
			t.Errorf("%s", out.Answer)
		}
		return err
	})
	if got := woken(); got != "" {
		t.Errorf("it woke %s", got)
	}
}

func TestAWatcherThatWasGivenUpMissesNothingThatOthersWaitFor(t *testing.T) {
	f := build(t)
	m := f.held()
	_, stop := f.Queue.WatchMail(m.ID)
	written, stopOther := f.Queue.WatchMail(m.ID)
	defer stopOther()
	stop()
	f.move(m.ID, approve)
	select {
	case <-written:
	default:
		t.Error("the other one still waits")
	}
}
